// Why a login at the OpenID provider failed, in Korean, by code. In English the server's pages of problems say it.
export const refusals: Readonly<Record<string, string>> = {
  oidc_unavailable: "OpenID 공급자를 쓸 수 없습니다. 나중에 다시 시도하세요. 그동안 비밀번호와 토큰은 쓸 수 있습니다. 무엇이 잘못되었는지는 서버의 로그에 있습니다.",
  oidc_login_expired: "로그인 시간이 지났습니다. 이 브라우저에서, 서버의 알려진 주소로, 10분 안에 다시 로그인하세요.",
  oidc_refused: "OpenID 공급자가 거부했습니다. 다시 로그인하세요. 그래도 안 되면 공급자에 있는 클라이언트 설정을 확인해야 합니다.",
  oidc_token_invalid: "ID 토큰이 올바르지 않습니다. 공급자 설정과 두 시계를 확인해야 합니다. 무엇이 잘못되었는지는 서버의 로그에 있습니다.",
  oidc_not_allowed: "로그인이 허용되지 않았습니다. 관리자가 공급자에서 역할이나 그룹을 주거나 사용자를 활성화해야 합니다.",
  oidc_name_unusable: "쓸 수 있는 이름이 없습니다. 공급자가 사용자 이름을 주거나 이메일 주소를 확인해야 합니다.",
  oidc_name_taken: "이미 쓰이는 사용자 이름입니다. 관리자가 공급자의 사람과 사용자를 잇거나 이름을 바꿔야 합니다.",
};
