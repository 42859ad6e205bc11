export { CalendarPage as Page } from "../features/schedules/CalendarPage";
