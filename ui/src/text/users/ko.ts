import type { Like } from "../catalogue";
import type { en } from "./en";

export const ko: Like<typeof en> = {
  title: "사용자와 토큰", users: "사용자", tokens: "토큰", account: "내 계정", add: "사용자 추가", name: "이름", roles: "역할", state: "상태", lastLogin: "마지막 로그인", tenant: "테넌트", created: "생성", createdBy: "{name}", search: "이름", never: "없음", none: "없음",
  viewer: "사용자, 토큰, 비밀, 감사 기록을 뺀 모든 것을 봅니다", operator: "작업 추가·이동·취소, 대기열 일시 정지, 워커 수와 제한", author: "템플릿, 지침, 일정, 워크플로 작성: 코드를 실행할 권한", approver: "승인과 거절", admin: "모든 권한",
  addTitle: "사용자 추가", addText: "사람은 이름과 비밀번호로 로그인합니다. 프로그램에는 토큰을 주세요.", password: "비밀번호", passwordHint: "12자 이상, 서로 다른 글자 5개 이상.", noPassword: "비밀번호 없이: OpenID 제공자로 로그인하는 사람.", create: "만들기", save: "저장", userAdded: "{name} 사용자를 추가했습니다", userSaved: "{name} 사용자를 저장했습니다",
  actionsOf: "{name}의 작업", edit: "이름과 역할…", reset: "비밀번호 재설정…", disable: "사용 중지", enable: "사용", remove: "삭제…", history: "기록", disabled: "{name} 사용자를 중지했습니다. 세션은 2초 안에 끝납니다", enabled: "{name} 사용자가 다시 로그인할 수 있습니다", removed: "{name} 사용자를 삭제했습니다",
  editTitle: "{name} 변경", editText: "역할이 바뀌면 사용자의 세션이 끝납니다.", resetTitle: "{name}의 새 비밀번호", resetText: "사용자의 모든 세션이 끝납니다.", resetDone: "{name} 사용자의 비밀번호를 바꿨습니다", removeTitle: "{name} 사용자를 삭제할까요?", removeText: "사용자와 세션이 삭제됩니다. 토큰은 남으므로 필요하면 함께 폐기하세요.", removeDo: "사용자 삭제",
  oidc: "OpenID", you: "나", noUsers: "일치하는 사용자가 없습니다", facts: "자세히",
  newToken: "토큰 만들기", tokenTitle: "토큰 만들기", tokenText: "프로그램이 bearer 토큰으로 씁니다. 내용은 한 번만 표시됩니다.", tokenName: "이름", expires: "만료", expiresIn: "유효 기간", days7: "7일", days30: "30일", days90: "90일", days365: "1년", days3650: "10년", more: "제한", scopes: "이 권한만", scopesHint: "선택하지 않으면 역할의 모든 권한.",
  templates: "이 이름의 템플릿만", templatesHint: "쉼표로 구분합니다. *와 ?는 임의의 글자입니다.", rate: "분당 요청 수", rateHint: "0: 제한 없음.", onceTitle: "토큰 {name}", onceWarning: "지금 복사하세요. 해시로만 보관되어 다시 볼 수 없습니다.", onceExport: "셸에서", done: "완료",
  lastUsed: "마지막 사용", all: "역할의 모든 권한", allTemplates: "모두", valid: "유효", expired: "만료됨", revoked: "폐기됨", revoke: "폐기…", revokeTitle: "{name} 토큰을 폐기할까요?", revokeText: "모든 서버에서 2초 안에 영구히 쓸 수 없게 됩니다. 이 토큰으로 만든 것은 남습니다.", revokeDo: "토큰 폐기", revokeDone: "{name} 토큰을 폐기했습니다", onlyValid: "유효한 것만", noTokens: "토큰 없음", noTokensText: "프로그램, 스크립트, CI가 토큰을 씁니다. 사람은 로그인합니다.", perMinute: "분당 {n}회",
  ownPassword: "비밀번호", current: "현재 비밀번호", next: "새 비밀번호", again: "새 비밀번호 확인", differ: "두 비밀번호가 다릅니다.", change: "비밀번호 변경", changed: "비밀번호를 바꿨습니다. 다른 세션은 모두 끝났습니다.", changeHint: "모든 세션이 끝나고 이 세션만 이어집니다.", byToken: "토큰을 쓰고 있습니다. 비밀번호와 세션이 없습니다.",
  sessions: "세션", browser: "브라우저", address: "주소", seen: "마지막 사용", began: "시작", ends: "종료", thisOne: "현재 세션", end: "끝내기", ended: "세션을 끝냈습니다", who: "내 정보", rights: "권한",
};
