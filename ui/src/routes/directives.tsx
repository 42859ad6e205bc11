export { Directives as Page } from "../features/directives/Directives";
