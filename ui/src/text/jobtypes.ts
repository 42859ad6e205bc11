// The fields of the built-in job types in Korean, by job type and path: a title, and the
// description where the server's schema has one. In English the schemas speak for themselves.
const model = { model: ["모델", "물어볼 모델. 없으면 지침의 모델, 그것도 없으면 서버의 기본 모델"], seed: ["시드", "같은 답을 다시 얻게 합니다."] } as const;

export const fields: Readonly<Record<string, Readonly<Record<string, readonly [title: string, description?: string]>>>> = {
  command: {
    argv: ["명령", "실행 파일(절대 경로 또는 이름)과 그 인자"], env: ["환경 변수", "PATH, HOME, RUNSHEET_* 외의 환경 변수"], stdin: ["표준 입력", "프로그램이 표준 입력에서 읽는 것"],
    artifacts: ["보관할 파일", "작업 폴더에서 보관할 파일의 패턴. 예: out/*.csv, **/*.log"],
    limits: ["제한", "프로그램이 쓸 수 있는 자원의 한도"], "limits/cpu_seconds": ["CPU 시간(초)"], "limits/memory_bytes": ["메모리(바이트)"], "limits/open_files": ["열린 파일 수"], "limits/processes": ["프로세스 수"], "limits/file_size_bytes": ["파일 크기(바이트)"],
  },
  http: {
    method: ["메서드", "요청 메서드. 없으면 GET"], url: ["주소", "요청을 보낼 곳. 사용자 이름과 비밀번호가 없는 http 또는 https 주소"], headers: ["헤더", "요청 헤더. Host와 연결에 속하는 헤더는 쓸 수 없습니다."],
    body: ["본문", "문자열은 그대로, 다른 값은 JSON으로 보냅니다. null이면 본문이 없습니다."], expect: ["성공 상태", "성공으로 보는 상태 코드의 처음과 끝, 또는 하나. 없으면 [200, 299]"],
    timeout: ["제한 시간", "요청과 응답 전체의 시간, 1ms에서 1h까지. 예: 30s, PT30S. 없으면 30s"], redirects: ["리디렉션", "따라갈 리디렉션 수. 없으면 0"],
  },
  log_triage: {
    sources: ["읽을 로그", "읽을 것. 모두 지침의 허용 목록에 있어야 합니다."], "sources/path": ["파일", "파일의 절대 경로. *와 ?는 슬래시가 아닌 글자, **는 여러 폴더를 뜻합니다."], "sources/container": ["컨테이너", "로그를 읽을 컨테이너의 이름"],
    "sources/since": ["이후", "컨테이너용: 이때부터의 로그. 시각, 또는 실행 전의 기간"], "sources/tail": ["끝의 줄 수", "컨테이너용: 마지막 줄부터 이만큼까지"],
    since: ["이후", "이보다 앞선 줄은 뺍니다. 시각(RFC 3339), 또는 24h처럼 실행 전의 기간"], until: ["이전", "이때부터의 줄은 뺍니다. 시각(RFC 3339), 또는 실행 전의 기간"], timezone: ["시간대", "시간대가 없는 로그 시각의 시간대(IANA 이름). 없으면 UTC"],
    max_bytes: ["최대 바이트", "각 파일과 컨테이너 로그의 끝에서 읽을 양. 없으면 256 MiB"], max_lines: ["최대 줄 수", "모두 합해 읽을 줄 수. 없으면 1000만"], max_clusters: ["최대 묶음 수", "심한 것부터 보고서에 싣고 모델에 물어볼 묶음의 수. 없으면 40"],
    ...model, language: ["언어", "원인과 제안의 언어. 없으면 영어"], temperature: ["온도", "모델이 얼마나 자유롭게 답할지. 지침에도 없으면 0.2"], allow_without_model: ["모델 없이도", "모델에 물을 수 없을 때 실패하지 않고 원인과 제안 없는 보고서를 씁니다."],
  },
  research: {
    topic: ["주제", "무엇을 조사할지"], questions: ["질문", "답할 질문. 없으면 주제에서 중요한 것"], sources: ["자료", "읽을 것. 각각 경로, 주소 또는 글입니다. 경로와 주소는 작업의 지침이 허용해야 합니다. 없으면 모델 자신의 주장을 그렇게 밝혀 적습니다."],
    "sources/path": ["파일", "서버에 있는 파일의 절대 경로: 글, Markdown, HTML 또는 PDF"], "sources/url": ["주소", "사용자 이름과 비밀번호가 없는 http 또는 https 주소"], "sources/text": ["글", "글 자체. 작업의 매개변수에 함께 저장됩니다."], "sources/name": ["이름", "보고서에서 이 자료를 부르는 이름"],
    ...model, language: ["언어", "보고서의 언어. 예: English. 없으면 주제의 언어"], temperature: ["온도", "모델이 얼마나 자유롭게 고를지. 지침에도 없으면 0.2"], max_findings: ["최대 결과 수", "보고서에 실을 결과의 수. 없으면 40"],
  },
  story: {
    topic: ["주제", "무엇에 대한 이야기인지. 없으면 모델이 고릅니다. 작업과 함께 저장됩니다."], genre: ["장르", "이야기의 종류. 예: horror, fairy tale"], style: ["문체", "어떻게 이야기할지"], language: ["언어", "글의 언어 이름: English, Korean, 日本語. 없으면 주제의 언어"],
    length: ["길이", "단어 수, 15 % 안에서 맞춥니다. 없으면 1000. 공백 사이가 한 단어이고, 중국어 글자와 한자, 히라가나는 하나씩 셉니다."], sections: ["절의 수", "절마다 25에서 2000단어. 없으면 약 400단어마다 하나"],
    ...model, temperature: ["온도", "모델이 얼마나 자유롭게 낱말을 고를지. 없으면 지침의 값, 그것도 없으면 0.8"], research_run_id: ["조사 실행", "결과를 재료로 쓸 research 종류의 실행"],
  },
  workflow: { workflow_id: ["워크플로", "실행할 워크플로"], version: ["버전", "그 버전. null이면 작업을 추가할 때 활성인 버전이며, 실행은 그것을 유지합니다."], inputs: ["입력", "버전이 선언한 실행 입력"] },
};
