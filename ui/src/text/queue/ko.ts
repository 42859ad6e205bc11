import type { Like } from "../catalogue";
import type { en } from "./en";

export const ko: Like<typeof en> = {
  title: "대기열", running: "실행 중", direct: "다음 직접 요청", waiting: "대기 중", directText: "다음에 비는 슬롯을 씁니다. 실행 중인 작업은 중단되지 않습니다.", slots: "슬롯 {m}개 중 {n}개 사용", free: "빈 슬롯", depth: "작업 {n}개 대기", avgWait: "평균 대기 {time}", workers: "슬롯",
  pause: "정지", resume: "재개", pausedBy: "{name}님이 대기열을 정지했습니다. 실행 중인 작업은 끝나고, 새로 시작하지 않습니다.", pausedText: "대기열이 정지되었습니다. 실행 중인 작업은 끝나고, 새로 시작하지 않습니다.", reason: "이유",
  add: "작업 추가", addTitle: "작업 추가", from: "종류", template: "템플릿 {name}", type: "작업 유형", name: "이름", params: "입력", top: "맨 위에", addAndClose: "추가", added: "{name} 작업을 추가했습니다",
  emptyTitle: "대기 중인 작업이 없습니다", emptyText: "추가한 작업이 시작될 순서대로 여기에 놓입니다. 끌어서 옮기거나 Alt와 화살표 키를 쓰세요.",
  position: "#", job: "작업", why: "대기 이유", start: "예상 시작", age: "경과", priority: "우선순위", attempts: "{n}번째 시도", select: "{name} 선택", selectAll: "불러온 작업 모두 선택", list: "순서대로 대기 중인 작업", drag: "{name} 옮기기", dragHelp: "스페이스로 집고, 화살표로 옮기고, 스페이스로 놓습니다. Alt와 화살표는 바로 옮깁니다.",
  up: "위로", down: "아래로", toTop: "맨 위로", toBottom: "맨 아래로", moveTo: "위치로 이동…", setPriority: "우선순위 변경…", hold: "보류", release: "보류 해제", duplicate: "복제", edit: "편집…", cancel: "취소", open: "실행 열기", actions: "{name}의 동작", bulk: "조건으로…",
  moved: "{name}: {m}개 중 {n}번 위치로 옮겼습니다", movedMany: "작업 {n}개를 옮겼습니다", changed: "그사이 순서가 바뀌어 {n}번으로 옮겼습니다", notMoved: "그사이 순서가 바뀌어 옮기지 않았습니다", lifted: "{name}: 집었습니다. {m}개 중 {n}번", dropAt: "{m}개 중 {n}번", putBack: "{name}: 제자리에 놓았습니다",
  cancelled: "{name}: 취소했습니다", cancelledMany: "작업 {n}개를 취소했습니다", restored: "제자리로 돌아왔습니다", stopping: "{name}: 중지하는 중", started: "그사이 시작되었습니다",
  group: "그룹", parallel: "함께, 한 번에 {n}개", sequential: "차례로", ended: "{m}개 중 {n}개 종료", positionField: "위치", positionHint: "0이 맨 위입니다. {m}개 대기 중.", priorityHint: "0에서 9까지, 작을수록 먼저. 2는 높음, 5는 보통, 8은 낮음. 같은 우선순위의 맨 뒤로 갑니다.", save: "저장", move: "이동", cancelGroups: "그룹 {n}개와 그 작업을 취소할까요?", cancelGroupsText: "대기 중인 작업은 취소되고, 실행 중인 작업은 중지를 요청받습니다. 되돌릴 수 없습니다.", cancelToo: "그룹 밖의 작업 {n}개도 취소됩니다.", cancelSure: "모두 취소", groupsCancelled: "그룹 {n}개를 취소했습니다",
  groupDo: "그룹으로 묶기…", ungroup: "그룹 해제", groupTitle: "작업 {n}개를 그룹으로 묶기", groupText: "그중 첫 작업의 자리에 지금 순서대로 모여, 한 슬롯에서 실행됩니다.", groupMode: "실행 방식", groupOnly: "그룹에 속하지 않은 작업만 선택하세요.", grouped: "작업 {n}개가 그룹 {name}에 있습니다", ungrouped: "{name} 그룹의 작업이 다시 따로 대기합니다",
  clear: "선택 해제", filter: "이름이나 유형으로 찾기", more: "스크롤하면 {n}개를 더 불러옵니다", notLoaded: "불러온 작업만 걸러집니다",
  bulkTitle: "일치하는 작업 모두 변경", bulkCount: "작업 {n}개 일치", query: "이름에 포함", types: "작업 유형", all: "전체", apply: "적용", action: "할 일", done: "작업 {n}개 처리함",
  code_position: "차례를 기다림", code_no_slot: "빈 슬롯 없음", code_lock: "잠금", code_limit: "제한", code_paused: "정지됨", code_held: "보류됨", code_not_before: "{time} 이후", code_group: "그룹", code_direct_first: "직접 요청 먼저", code_retry_delay: "{time} 재시도", code_approval: "승인", code_event: "이벤트", code_parked: "대기 중", parked_approval: "승인 대기", parked_timer: "{time}까지 대기", parked_event: "이벤트 대기", parked_job: "다른 작업 대기", parked_retry_delay: "{time} 단계 재시도", parked_paused: "실행 정지됨", parked_turn: "같은 워크플로의 다른 실행 먼저",
  stop: "중지", attempt: "{n}번째 시도", about: "약 {time}", restartAt: "서버가 {time}에 다시 시작되었습니다.", lostAt: "중단된 서버의 작업을 넘겨받았습니다(마지막: {time}).", restart: "그때 대기하던 작업 {n}개는 순서가 그대로입니다.", interrupted: "실행 중이던 작업 {n}개가 중단되어 실패했습니다.", requeued: "실행 중이던 작업 {n}개가 중단되어 다시 대기합니다.", openRuns: "실행 보기", waitsSince: "{n}번째", paramsJson: "이 작업 유형에는 스키마가 없습니다. 입력을 JSON으로 쓰세요.", runAt: "시작 제한 시각", editTitle: "{name} 편집", runAtHint: "{zone} 기준. 비우면 가능한 한 빨리.",
  demo: "데모 시작", removeDemo: "데모 제거", demoRemoved: "데모를 제거했습니다", refused: "{n}개 거절됨", menu: "대기열 메뉴",
  drainedAt: "약 {time} 뒤 비워짐", drainedRest: "보류되거나 나중인 것을 빼고 약 {time} 뒤 비워짐", tokens: "토큰 입력 {in}, 출력 {out}", typical: "보통 {time}", late: "평소보다 오래 걸림", since: "{time} 동안 대기", until: "{time} 뒤 포기", asks: "요청자 {name}",
  gone: "{name}: 더 이상 대기하지 않습니다.", openRun: "실행 열기", dismiss: "닫기", locked: "첫 시도 뒤에는 입력을 바꿀 수 없습니다.", changedMeanwhile: "그사이 다른 사람이 이 작업을 바꿨습니다. 닫고 다시 여세요.",
  to: "어디로", labels: "레이블", labelHint: "키=값", count: "세기", limitNote: "한 번에 최대 1,000개입니다. 나머지는 다시 적용하세요.", applyTo: "작업 {n}개에 적용", refusedNote: "작업 {n}개는 거절됩니다.", nobody: "일치하는 작업이 없습니다.", and: "{n}개 더",
  draining: "비우는 중: {n}개가 끝나고 새로 시작하지 않음", noSlots: "슬롯 없음: 시작하지 않음", noSlotsTitle: "슬롯을 0으로 바꿀까요?", noSlotsText: "실행 중인 작업 {n}개는 끝까지 실행되고, 슬롯이 다시 생길 때까지 새 작업은 시작되지 않습니다.", noSlotsIdle: "슬롯이 다시 생길 때까지 작업이 시작되지 않습니다.", noSlotsDo: "0으로 변경",
  high: "높음", normal: "보통", low: "낮음", usual: "기본값", priorityFieldHint: "낮을수록 먼저 시작합니다.", deadline: "시작 기한", deadlineHint: "이때까지 시작하지 못하면 건너뜁니다. 시각 또는 2h 같은 길이.", timeout: "시간 제한", timeoutHint: "시도 한 번의 제한. 예: 15m.", attemptsInAll: "전체 시도 횟수", retryDelay: "두 번째 시도까지 지연", retryDelayHint: "예: 30s. 비우면 1s.", locks: "잠금", locksHint: "실행하는 동안 보유할 자원 이름, 쉼표로 구분.", holdIt: "보류: 해제 전에는 시작하지 않음",
  what: "하는 일", lastRun: "이 작업의 실행", somebody: "다른 사용자", limits: "제한", limitTemplate: "같은 템플릿은 한 번에 최대 {n}개", limitKey: "{key} 값이 같으면 한 번에 최대 {n}개", nextAttempt: "다음은 {n}번째 시도", earlier: "이전 실행", likely: "예상 시작: {time}.", likelyRange: "시작의 5분의 4가 {range} 사이입니다.", noEstimate: "언제 시작할지 아직 알 수 없습니다.",
  why_position: "순서상 앞에 다른 작업이 있습니다.", why_no_slot: "빈 슬롯이 없습니다.", why_lock: "잠금 {lock} 보유: {holder}.", why_limit: "제한에 도달했습니다.", why_paused: "대기열이 정지되었습니다. 재개할 때까지 시작하지 않습니다.", why_held: "보류되었습니다. 해제할 때까지 시작하지 않습니다.", why_not_before: "{time} 전에는 시작하지 않습니다.", why_group: "시작 시점은 그룹이 정합니다.", why_direct_first: "직접 요청이 먼저 실행됩니다.", why_retry_delay: "지난 시도가 실패했습니다. 다음 시도는 빨라야 {time}에 시작합니다.", why_approval: "먼저 승인이 필요합니다: {holder}.", why_event: "이벤트를 기다립니다.", why_parked: "실행이 시작된 뒤 슬롯을 돌려주었습니다: {what}.",
  directKind: "직접",
  heldBy: "{who}님이 보류함", heldBecause: "{who}님이 보류함: {text}", heldByServer: "서버가 보류함: 이 작업이 실행되는 동안 서버가 여러 번 연달아 중단되었습니다",
};
