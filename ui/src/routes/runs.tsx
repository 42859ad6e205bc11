export { RunsPage as Page } from "../features/runs/RunsPage";
