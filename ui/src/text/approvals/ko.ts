import type { Like } from "../catalogue";
import type { en } from "./en";

export const ko: Like<typeof en> = {
  title: "승인", show: "표시", pending: "대기 중", decided: "결정됨", empty: "기다리는 것이 없습니다", emptyText: "실행하기 전에 사람의 결정이 필요한 것이 여기에 표시됩니다.", noneDecided: "아직 결정된 것이 없습니다", more: "더 보기",
  ofRun: "워크플로 실행 {id}", allRuns: "모든 승인 보기", noneOfRun: "이 실행에서 기다리는 승인이 없습니다", noneOfRunDecided: "이 실행에서 결정된 승인이 없습니다",
  kindWorkflow: "워크플로 {name}, {node} 단계", kindJob: "작업", by: "{who} 요청", round: "요청 {n}", count: "승인 {n}/{m}", left: "{time} 남음", over: "만료됨", expiresAt: "{at} 만료", expires: "만료",
  summary: "일어날 일", table: "행", yes: "예", no: "아니요", was: "이전: {value}", rowsChanged: "이전 요청과 다른 행 {n}개",
  people: "사람과 규칙", needed: "필요", who: "승인할 수 있는 사람", everybody: "승인자나 관리자 역할이 있는 모든 사람", notWho: "승인할 수 없는 사람", versionBy: "버전을 쓴 사람", ruleBy: "일정을 쓰거나 토큰을 만든 사람", onExpire: "만료되면", asksAgain: "다시 요청, 최대 {n}번", endsIt: "작업은 실행되지 않고 끝남. 워크플로는 만료되었을 때의 길이 있으면 계속함", about: "대상", openWorkflowRun: "워크플로 실행 열기",
  rounds: "이 대상의 요청들", evidence: "근거", content: "정확히 무엇을 승인하는지", audit: "이 승인의 감사 기록",
  changed: "보는 동안 내용이 바뀌었습니다", changedText: "읽은 것과 다른 곳을 아래에 표시했습니다. 결정하기 전에 다시 읽으세요.", haveRead: "바뀐 내용을 읽었습니다", replaced: "더 새로운 요청으로 대체되었습니다", openNew: "새 요청 열기", expired: "제때 결정되지 않았습니다", expiredText: "더는 승인하거나 거절할 수 없습니다.", wasApproved: "{who}님이 승인함", wasRejected: "{who}님이 거절함",
  fWorkflow: "워크플로", fVersion: "버전", fNode: "단계", fSummary: "요약", fSchedule: "일정", fNominal: "예정 시각", fSource: "원인",
  askAgain: "다시 요청", approve: "승인", reject: "거절", decide: "결정", back: "뒤로", comment: "의견", commentNeeded: "의견이 필요합니다", noUndo: "두 단계로 결정하며 되돌릴 수 없습니다.", lockedText: "바뀐 내용을 읽을 때까지 잠겨 있습니다.", noRounds: "더는 다시 요청할 수 없습니다",
  armApprove: "승인: Shift+A 또는 확인을 누르세요", armReject: "거절: 이유를 쓰고 확인하세요", armAgain: "다시 요청: 확인하세요", sureApprove: "보이는 그대로 승인할까요? 버튼이나 Shift+A로 확인합니다.", sureReject: "거절할까요? 작업은 실행되지 않고 끝납니다. 워크플로는 거절되었을 때의 길이 있으면 계속하고, 없으면 끝납니다.", sureAgain: "다시 요청할까요? 지금까지의 결정은 무효가 되고 시간이 새로 시작됩니다.", confirmApprove: "승인 확인", confirmReject: "거절 확인", confirmAgain: "새 요청 확인",
  delegate: "위임", delegatedToYou: "나에게 위임됨", delegateMenu: "위임…", delegateTitle: "다른 사용자에게 결정 맡기기", delegateText: "이 승인에만 적용됩니다. 더는 직접 승인하지 않으며, 대신 승인되기 전까지 되돌릴 수 있습니다.", delegateTo: "사용자", delegateHint: "승인을 결정할 수 있고, 이것을 요청하거나 작성하지 않은 사용자", delegateWhy: "이유", didDelegate: "이제 {who}님이 결정할 수 있습니다", recall: "위임 되돌리기", didRecall: "다시 직접 결정할 수 있습니다", delegations: "위임됨", delegated: "{from} → {to}", barDelegated: "{who}에게 결정을 맡겼습니다. 거절은 할 수 있습니다.",
  didApprove: "승인했습니다", didReject: "거절했습니다", didAskAgain: "다시 요청했습니다", barScope: "이 역할은 승인을 결정할 수 없습니다. 승인자나 관리자가 할 수 있습니다.", others: "승인자나 관리자 역할이 있는 다른 사용자", addPerson: "사용자 추가", adminAdds: "관리자가 사용자 페이지에서 추가할 수 있습니다.", barSelf: "직접 요청한 것이므로 다른 사람이 승인해야 합니다({may}). 거절은 할 수 있습니다.", barVersion: "{who}님이 시작한 워크플로의 버전을 직접 썼으므로 다른 사람이 승인해야 합니다({may}). 거절은 할 수 있습니다.", barRule: "요청한 일정을 직접 썼거나 토큰을 직접 만들었으므로({who}) 다른 사람이 승인해야 합니다({may}). 거절은 할 수 있습니다.", barApprovers: "{who}만 승인할 수 있습니다. 거절은 할 수 있습니다.", barAlready: "이미 승인했습니다.", barForm: "값을 입력해야 합니다. 요청 페이지에서 승인하세요.", barOver: "만료되었습니다.",
  selectOne: "{title} 선택", approveSelected: "선택한 요청 승인", clear: "선택 해제", oneKind: "같은 종류의 요청만 함께 승인할 수 있습니다.",
  bulkTitle: "요청 {n}개 승인", bulkText: "하나씩 읽으세요. 요청은 각각 따로 결정되며, 여기 보이는 내용 그대로일 때만 승인됩니다. 되돌릴 수 없습니다.", bulkApprove: "{n}개 승인", leftOut: "제외됨", notApproved: "승인되지 않음", bulkDone: "{m}개 중 {n}개 승인됨",
  fJobType: "작업 유형", fTemplate: "템플릿", fTemplateVersion: "템플릿 버전", fDirective: "지침", fTrigger: "트리거",
};
