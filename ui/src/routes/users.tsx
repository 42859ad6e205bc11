export { UsersPage as Page } from "../features/users/UsersPage";
