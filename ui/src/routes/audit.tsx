export { Audit as Page } from "../features/audit/Audit";
