export { ListPage as Page } from "../features/workflows/ListPage";
