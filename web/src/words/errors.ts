import type { Entries } from './entry'

/** The server's stable codes as a sentence with a next step. Codes that are missing here show the server's own sentence. */
export const errors = {
  'error.offline': [
    'The server did not answer. Check that it is running, then try again.',
    '서버가 응답하지 않습니다. 서버가 실행 중인지 확인한 후 다시 시도하십시오.',
  ],
  'error.unknown': ['This did not work ({code}).', '요청을 처리하지 못했습니다({code}).'],
  'error.login_needed': ['Please log in.', '로그인해 주십시오.'],
  'error.login_failed': ['Name or password is wrong.', '이름 또는 비밀번호가 올바르지 않습니다.'],
  'error.too_many_attempts': [
    'Too many attempts. Wait a minute, then try again.',
    '시도 횟수가 너무 많습니다. 잠시 후 다시 시도하십시오.',
  ],
  'error.too_many_requests': [
    'Too many requests. Wait a moment, then try again.',
    '요청이 너무 많습니다. 잠시 후 다시 시도하십시오.',
  ],
  'error.forbidden': [
    'Your role does not allow this. Ask an administrator.',
    '권한이 없습니다. 관리자에게 문의하십시오.',
  ],
  'error.not_found': [
    'It is not here, or no longer. Go back to the worklist.',
    '대상이 없거나 삭제되었습니다. 작업 목록으로 돌아가십시오.',
  ],
  'error.conflict': [
    'Somebody changed it in the meantime. Reload to see the change.',
    '다른 사용자가 먼저 변경했습니다. 새로 고쳐 확인하십시오.',
  ],
  'error.too_large': ['It is larger than this server accepts.', '이 서버가 허용하는 크기를 초과했습니다.'],
  'error.invalid': ['The server does not accept this value.', '서버가 이 값을 허용하지 않습니다.'],
  'error.internal': [
    'The server ran into an error of its own. Its log says more.',
    '서버 내부 오류가 발생했습니다. 서버 로그를 확인하십시오.',
  ],
  'error.reference': ['Reference for the log: {id}', '로그 확인용 번호: {id}'],
} as const satisfies Entries
