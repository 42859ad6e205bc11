export { ScheduleDetail as Page } from "../features/schedules/Detail";
