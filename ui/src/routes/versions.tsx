export { VersionsPage as Page } from "../features/workflows/VersionsPage";
