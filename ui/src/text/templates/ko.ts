import type { Like } from "../catalogue";
import type { en } from "./en";

export const ko: Like<typeof en> = {
  title: "템플릿", add: "새 템플릿", name: "이름", type: "작업 유형", priority: "우선순위", directive: "지침", locks: "잠금", version: "버전", changed: "변경", by: "{name}", search: "이름", anyType: "모든 유형", archivedToo: "보관된 것 포함", archived: "보관됨", noDirective: "없음",
  none: "템플릿 없음", noneText: "템플릿은 작업의 레시피입니다. 무엇을 어떤 매개변수, 잠금, 재시도로 실행할지 정합니다. 일정과 사람이 템플릿으로 작업을 시작합니다.", noMatch: "일치하는 템플릿이 없습니다", run: "지금 실행", edit: "편집", copy: "복제", archive: "보관", restore: "되살리기", remove: "삭제…", history: "기록", actionsOf: "{name}의 작업", archivedDone: "{name} 템플릿은 새 작업을 만들지 않습니다", restoredDone: "{name} 템플릿을 되살렸습니다", removed: "{name} 템플릿을 삭제했습니다", removeTitle: "{name} 템플릿을 삭제할까요?", removeText: "이 템플릿을 쓰는 일정은 실패합니다. 이미 있는 작업은 그대로입니다. 확실하지 않으면 보관하세요.", removeDo: "템플릿 삭제",
  newTitle: "새 템플릿", editTitle: "{name}, 버전 {n}", editText: "변경하면 새 버전이 되고 이후 작업에만 적용됩니다.", description: "설명", params: "매개변수", paramsHint: "기본값입니다. 작업의 매개변수가 이 위에 합쳐집니다.", when: "시간과 횟수", timeout: "시간 제한", timeoutHint: "시도 한 번의 제한. 예: 15m, PT15M.", deadline: "시작 기한", deadlineHint: "추가된 뒤 이 시간 안에 시작하지 못한 작업은 건너뜁니다.", attempts: "전체 시도 횟수", backoff: "시도 사이 지연", fixed: "항상 같음", exponential: "점점 늘림", initial: "첫 지연", crash: "서버가 죽은 뒤", crashType: "작업 유형에 따름", crashRetry: "다시 실행", crashFail: "실패 처리", crashAsk: "사람이 확인",
  together: "다른 작업과 함께", locksHint: "실행하는 동안 보유할 자원 이름, 쉼표로 구분.", maxRunning: "동시 최대", labels: "라벨", labelsHint: "key=value, 쉼표로 구분", webhook: "웹훅", webhookHint: "작업의 결과를 알립니다.", schema: "매개변수 스키마", schemaHint: "합쳐진 매개변수가 지켜야 할 JSON Schema. 양식도 여기서 만듭니다.", save: "저장", create: "만들기", saved: "{name} 템플릿을 저장했습니다", badJson: "올바른 JSON이어야 합니다: {why}", priorityHint: "0~9, 낮을수록 먼저. 2는 높음, 5는 보통, 8은 낮음.", asJson: "JSON으로", asForm: "양식으로", otherTab: "이 유형의 매개변수는 JSON으로 편집합니다.",
  runTitle: "{name} 실행", runText: "이 매개변수로 작업이 해당 우선순위의 끝에 추가됩니다.", jobName: "작업 이름", runDo: "작업 추가", ran: "{name} 작업을 대기열에 넣었습니다", show: "보기",
};
