export { RunPage as Page } from "../features/workflows/RunPage";
