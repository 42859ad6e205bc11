export { Templates as Page } from "../features/templates/Templates";
