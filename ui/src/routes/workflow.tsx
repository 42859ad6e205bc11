export { WorkflowPage as Page } from "../features/workflows/WorkflowPage";
