export { Settings as Page } from "../features/settings/Settings";
