export { Secrets as Page } from "../features/secrets/Secrets";
