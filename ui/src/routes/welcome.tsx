export { Welcome as Page } from "../features/welcome/Welcome";
