import type { Like } from "../catalogue";
import type { en } from "./en";

export const ko: Like<typeof en> = {
  queue: "대기열", runs: "실행", workflows: "워크플로", schedules: "일정", approvals: "승인", system: "시스템", calendar: "달력", versions: "버전",
  workers: "워커와 잠금", templates: "템플릿", directives: "지침", webhooks: "웹훅", secrets: "비밀", users: "사용자와 토큰", audit: "감사 기록", settings: "설정",
  breadcrumb: "현재 위치", navigation: "주 메뉴", skip: "본문으로 건너뛰기", home: "Runsheet, 대기열로",
  waiting: "승인 대기 {n}건",
  live: "실시간", livePaused: "실시간 갱신 일시 정지", liveLost: "다시 연결하는 중", livePolling: "주기적 조회", liveTip: "실시간 갱신 일시 정지 또는 계속 (P)",
  lost: "실시간 갱신이 끊겼습니다. 다시 연결하는 중…", polling: "실시간 갱신이 끊겼습니다. 5초마다 다시 읽습니다.", pausedBanner: "실시간 갱신을 멈췄습니다. 화면이 바뀌지 않습니다.", goOn: "계속",
  queuePaused: "대기열 일시 정지됨", palette: "이동 또는 검색", paletteHint: "페이지, 작업 또는 ID를 입력하세요", openId: "{id} 열기", palSchedule: "새 일정", palWorkflow: "새 워크플로", palResume: "대기열 재개", palPaused: "대기열을 일시 정지했습니다", palResumed: "대기열을 재개했습니다", palSlots: "슬롯: {n}", palCopy: "이 페이지를 명령줄로 복사",
  shortcuts: "키보드 단축키", shortcutsOff: "한 글자 단축키", shortcutsOffHint: "끄면 Ctrl-K와 목록 안의 키만 작동합니다.",
  scPalette: "명령 팔레트", scSheet: "이 목록", scTheme: "밝게 또는 어둡게", scPause: "실시간 갱신 일시 정지", scGo: "{page}(으)로 이동", scNext: "다음 행과 이전 행", scSelect: "행 선택", scOpen: "행 열기", scClose: "닫기", scFilter: "필터", scActions: "행의 작업", scNew: "작업 추가", scMove: "작업을 위나 아래로 이동", scEnds: "작업을 맨 위나 맨 아래로 이동", scDrag: "집기와 놓기", scCancelWaiting: "작업이나 그룹 취소", scPauseQueue: "대기열 일시 정지", scLog: "실행 로그", scFollow: "로그 따라가기", scAttempt: "이전·다음 시도", scRun: "다음·이전 실행", scRetry: "실행 재시도", scCancel: "실행 취소", scApprove: "승인, 목록에서는 선택한 요청 승인", scConfirm: "승인 확인", scReject: "거절", scRunNow: "일정 지금 실행", scSwitch: "일정 켜기 또는 끄기", scTurn: "달력: 이전과 다음", scToday: "달력: 오늘", scFit: "그래프 전체 보기", scZoom: "그래프 확대와 축소", scView: "그래프 또는 목록", scDiff: "버전: 비교 방식", scRollback: "버전: 롤백", everywhere: "모든 곳", lists: "목록", board: "대기열",
  theme: "테마", light: "밝게", dark: "어둡게", auto: "시스템에 맞춤", language: "언어", account: "{name}의 계정", logout: "로그아웃", password: "비밀번호와 세션", welcome: "환영합니다: 첫 단계", apiDocs: "API 설명",
  login: "로그인", loginTitle: "Runsheet에 로그인", name: "이름", passwordField: "비밀번호", loginWith: "{name} 계정으로 로그인", or: "또는", loginFailed: "이름이나 비밀번호가 틀렸습니다.",
  setupTitle: "관리자 만들기", setupText: "이 설치의 첫 계정입니다. 모든 것을 할 수 있습니다.", setupButton: "만들고 로그인", passwordRule: "{n}자 이상", repeat: "비밀번호 확인", differ: "두 비밀번호가 다릅니다.", setupGone: "이미 사용했거나 30분이 지난 링크입니다. 로그인하거나, 서버를 다시 시작해 새 링크를 받으세요.", setupNoCode: "링크에 코드가 없습니다. 서버가 시작할 때 전체 링크를 출력합니다.",
  openMenu: "메뉴 열기", reload: "새로 고침",
  connecting: "연결하는 중",
};
