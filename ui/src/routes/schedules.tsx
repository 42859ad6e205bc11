export { ScheduleList as Page } from "../features/schedules/List";
