export { Board as Page } from "../features/queue/Board";
