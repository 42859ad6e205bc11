export { Setup as Page } from "../features/entrance/Setup";
