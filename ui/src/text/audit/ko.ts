import type { Like } from "../catalogue";
import type { en } from "./en";

export const ko: Like<typeof en> = {
  title: "감사 기록", export: "내보내기", verify: "검증", action: "행위", actor: "누가", object: "대상", from: "시작", to: "끝", anyAction: "모든 행위", objectHint: "대상: ID 또는 이름", actorHint: "누가: 이름 또는 ID", reload: "다시 읽기", time: "언제", detail: "자세히", period: "기간", always: "전체 기간", hour: "지난 1시간", day: "지난 24시간", week: "지난 7일", month: "지난 30일", custom: "기간 지정…",
  none: "일치하는 기록이 없습니다", noneText: "모든 변경이 변경한 사람과 함께 여기에 기록됩니다.", entry: "기록 {n}", address: "주소", request: "요청", tenant: "테넌트", chain: "체인", before: "이전", after: "이후", changed: "변경", field: "항목", value: "값", fingerprint: "대상의 지문", made: "생성됨", gone: "삭제됨", same: "변경 없음", hash: "해시", prev: "이전 해시", onlyObject: "이 대상의 모든 기록", onlyActor: "{name}의 모든 기록",
  fingerprintText: "API가 보여 준 대상의 SHA-256입니다. 대상 자체가 아니라 지문과 몇 가지 값만 보관합니다.", system: "서버",
  verifyTitle: "기록이 그대로인가요?", verifyText: "모든 기록의 해시를 검사합니다. 전에 적어 둔 해시가 있으면 그 기록과 이전 기록이 모두 남아 있음을 증명합니다.", head: "적어 둔 해시", check: "검사", valid: "기록이 온전합니다: {n}건", invalid: "기록이 변경되었습니다", brokenAt: "{n}번 기록에서 어긋남", note: "이 해시를 다른 곳에 적어 두세요. 나중에 잘려 나간 기록이 없음을 증명합니다.", headHash: "{n}번 기록의 해시",
};
