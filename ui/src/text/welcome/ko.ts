import type { Like } from "../catalogue";
import type { en } from "./en";

export const ko: Like<typeof en> = {
  title: "Runsheet에 오신 것을 환영합니다", text: "준비가 끝났습니다. 아래에서 하나를 골라 시작하거나 바로 대기열로 가세요.", toQueue: "대기열로 이동", step: "{n}단계",
  demo: "데모 실행", demoText: "언어 모델 없이 실행되는 작업들과 워크플로 실행 세 번입니다. demo-broken은 일부러 실패하고, demo-held는 직접 풀어 줄 때까지, demo-tomorrow는 내일까지 기다립니다. demo 라벨이 붙어 있어 한 번에 지울 수 있습니다.", demoRun: "데모 실행", demoRemove: "데모 지우기", demoRemoveTitle: "데모를 지울까요?", demoRemoveText: "기다리는 데모 작업은 취소되고 템플릿은 삭제되며 워크플로는 보관됩니다. 실행 기록은 남습니다.", demoRemoved: "데모를 지웠습니다", demoOf: "{n}개 중 {done}개 완료", demoGreen: "잘 작동합니다: 성공 {well}개, 실패 {failed}개, 아직 끝나지 않음 {rest}개.", jobs: "데모 작업",
  llm: "언어 모델 연결", llmText: "Runsheet는 여러분의 컴퓨터에 있는 모델에 묻습니다. 기본 포트의 Ollama는 설정이 필요 없습니다.", llmFound: "{name} 응답함, 모델 {n}개", llmAway: "{name} 응답 없음", llmRetry: "다시 찾기", llmInstall: "Ollama를 시작하고 모델을 받거나, 설정(llm.url, llm.servers)에 다른 서버를 지정하세요.", llmDefault: "모델을 지정하지 않은 작업의 모델: {model}", llmNoDefault: "작업에 모델을 지정하거나 llm.model을 설정하세요.", llmTo: "서버와 모델",
  cron: "crontab 가져오기", cronText: "crontab -l의 출력을 붙여 넣으세요. 만들기 전에 각 줄이 무엇이 되는지 보여 주며, 모든 일정은 정지 상태로 만들어집니다.", cronPaste: "Crontab", cronSystem: "사용자 열이 있음 (/etc/crontab)", cronPrefix: "이름 접두사", cronZone: "시간대", cronPreview: "미리 보기", cronLine: "줄", cronNext: "다음", isNew: "새로 만듦", exists: "이미 있음", unreadable: "읽을 수 없음", cronMake: "일정 {n}개를 정지 상태로 만들기", cronMade: "일정 {n}개를 정지 상태로 만들었습니다", cronNothing: "일정이 될 줄이 없습니다.", cronTo: "일정 보기", cronPick: "{n}번 줄 가져오기", cronSome: "일부가 거절되었습니다:",
  onward: "다음으로", onQueue: "대기열 정렬", onQueueText: "작업을 끌어 옮기고 기다리는 이유를 봅니다", onWorkflow: "워크플로 만들기", onWorkflowText: "체크포인트, 승인, 롤백이 있는 단계", onUsers: "사람 초대", onUsersText: "사용자, 역할, 프로그램용 토큰", onWebhooks: "다른 프로그램에 알리기", onWebhooksText: "이벤트마다 서명된 웹훅",
};
