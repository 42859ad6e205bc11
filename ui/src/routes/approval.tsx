export { ApprovalDetail as Page } from "../features/approvals/Detail";
