import type { Like } from "../catalogue";
import type { en } from "./en";

export const ko: Like<typeof en> = {
  close: "닫기", cancel: "취소", ok: "확인", undo: "되돌리기", retry: "다시 시도", copy: "복사", copied: "복사했습니다", more: "더 보기", search: "검색",
  loading: "불러오는 중", failed: "불러올 수 없습니다", request: "요청 {id}", clear: "지우기", clearFilters: "필터 지우기", dismiss: "닫기",
  copyAs: "다음으로 복사", copyCli: "명령줄", copyCurl: "curl", menu: "메뉴", increase: "늘리기", decrease: "줄이기",
  none: "일치하는 항목이 없습니다", optional: "선택 사항", required: "필수입니다", unknownField: "없는 항목입니다", oneOf: "다음 중 하나여야 합니다: {list}", notNumber: "숫자여야 합니다", notWhole: "정수여야 합니다", notJson: "올바른 JSON이어야 합니다: {why}",
  tooSmall: "{n} 이상이어야 합니다", tooLarge: "{n} 이하여야 합니다", tooShort: "{n}자 이상이어야 합니다", tooLong: "{n}자 이하여야 합니다",
  addItem: "항목 추가", removeItem: "{n}번 항목 삭제", asJson: "JSON으로", yes: "예", no: "아니요", choose: "고르세요", item: "{n}번 항목", name: "이름", value: "값",
  now: "지금", sort: "{what} 기준 정렬", selected: "{n}개 선택됨", needsScope: "이 역할에는 {scope} 권한이 없습니다",
  fillIn: "아직 필요함: {what}",
  commandHint: "따옴표와 백슬래시는 셸과 같습니다. 변수, 파이프, *는 쓸 수 없습니다.", openQuote: "따옴표가 닫히지 않았습니다", arguments: "인자",
  localCaller: "서버 관리자",
  offline: "서버가 응답하지 않습니다", problem: "문제가 발생했습니다", pageFailed: "이 페이지에 오류가 생겼습니다", pageFailedText: "데이터가 아니라 페이지의 오류입니다. 다시 불러오세요. 또 실패하면 주소가 여는 것 없이 페이지만 여세요.", reload: "다시 불러오기", openPlain: "페이지만 열기", back: "뒤로", noSuch: "없는 페이지입니다",
};
