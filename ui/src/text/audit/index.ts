import { catalogue } from "../catalogue";
import { en } from "./en";
import { ko } from "./ko";

export const t = catalogue(en, ko);
