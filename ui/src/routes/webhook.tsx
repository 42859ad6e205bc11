export { WebhookPage as Page } from "../features/webhooks/WebhookPage";
