export { Login as Page } from "../features/entrance/Login";
