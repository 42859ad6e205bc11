export { Webhooks as Page } from "../features/webhooks/Webhooks";
