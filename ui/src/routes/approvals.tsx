export { Inbox as Page } from "../features/approvals/Inbox";
