export { RunPage as Page } from "../features/runs/RunPage";
