export { Workers as Page } from "../features/workers/Workers";
