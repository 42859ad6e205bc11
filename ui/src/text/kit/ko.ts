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
  localCaller: "서버의 명령줄",
  title_conflict: "충돌", title_forbidden: "권한 없음", title_unauthorized: "로그인이 필요합니다", title_invalid_input: "잘못된 입력", title_invalid_parameter: "잘못된 매개변수", title_not_found: "찾을 수 없음", title_malformed_body: "잘못된 형식의 본문", title_body_too_large: "본문이 너무 큼", title_internal_error: "내부 오류", title_already_finished: "이미 끝남", title_already_started: "이미 시작됨", title_already_decided: "이미 결정됨", title_approval_closed: "종료된 승인", title_approval_content_changed: "승인 내용이 바뀜", title_command_not_allowed: "허용되지 않은 명령", title_cron_invalid: "잘못된 cron 식", title_zone_unknown: "알 수 없는 시간대", title_name_taken: "이미 쓰이는 이름", title_not_unique: "중복됨", title_not_finished: "아직 끝나지 않음", title_wrong_id_type: "잘못된 종류의 ID", title_lock_held: "잠금 사용 중", title_last_admin: "마지막 관리자", title_workflow_invalid: "올바르지 않은 워크플로",
  offline: "서버가 응답하지 않습니다", problem: "문제가 발생했습니다", pageFailed: "이 페이지에 오류가 생겼습니다", pageFailedText: "데이터가 아니라 페이지의 오류입니다. 다시 불러오세요. 또 실패하면 주소가 여는 것 없이 페이지만 여세요.", reload: "다시 불러오기", openPlain: "페이지만 열기", back: "뒤로", noSuch: "없는 페이지입니다",
};
