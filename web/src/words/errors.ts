import type { components } from '../api/schema.gen'
import type { Entries, Entry } from './entry'

type Codes = components['schemas']
/** Every code of the API's description has its sentence here: one that is new there does not compile without. */
type OfTheServer = Readonly<Record<`error.${Codes['ProblemCode']}` | `failure.${Codes['FailureCode']}`, Entry>>

/** The server's stable codes as a sentence with a next step. */
export const errors = {
  'error.offline': [
    'The server did not answer. Check that it is running, then try again.',
    '서버가 응답하지 않습니다. 서버가 실행 중인지 확인한 후 다시 시도하십시오.',
  ],
  'error.unknown': ['This did not work ({code}).', '요청을 처리하지 못했습니다({code}).'],
  'error.bad_request': ['The server does not understand this request.', '서버가 요청을 이해하지 못했습니다.'],
  'error.invalid': ['The server does not accept this value.', '서버가 이 값을 허용하지 않습니다.'],
  'error.not_found': [
    'It is not here, or no longer. Go back to the worklist.',
    '대상이 없거나 삭제되었습니다. 작업 목록으로 돌아가십시오.',
  ],
  'error.method_not_allowed': [
    'The server does not do this at this address. Reload the page.',
    '서버가 이 주소에서 지원하지 않는 요청입니다. 새로 고치십시오.',
  ],
  'error.not_acceptable': [
    'The server has no answer of this form. Reload the page.',
    '서버가 제공하지 않는 형식입니다. 새로 고치십시오.',
  ],
  'error.gone': ['It was deleted. Go back to the worklist.', '삭제되었습니다. 작업 목록으로 돌아가십시오.'],
  'error.conflict': [
    'This contradicts what is there. Reload to see how it stands.',
    '현재 상태와 맞지 않습니다. 새로 고쳐 확인하십시오.',
  ],
  'error.changed': [
    'Somebody changed it in the meantime. Reload to see the change.',
    '다른 사용자가 먼저 변경했습니다. 새로 고쳐 확인하십시오.',
  ],
  'error.too_large': ['It is larger than this server accepts.', '이 서버가 허용하는 크기를 초과했습니다.'],
  'error.range_not_satisfiable': [
    'The file has no such part. Reload the page.',
    '파일에 없는 범위입니다. 새로 고치십시오.',
  ],
  'error.unsupported_media_type': [
    'The server does not read this kind of file.',
    '서버가 읽을 수 없는 파일 형식입니다.',
  ],
  'error.too_slow': ['The connection was too slow. Try again.', '연결이 너무 느립니다. 다시 시도하십시오.'],
  'error.too_many_requests': [
    'Too many requests. Wait a moment, then try again.',
    '요청이 너무 많습니다. 잠시 후 다시 시도하십시오.',
  ],
  'error.internal': [
    'The server made a mistake. Its log says more.',
    '서버 내부 오류가 발생했습니다. 서버 로그를 확인하십시오.',
  ],
  'error.unavailable': [
    'The server cannot do that now. Try again in a moment.',
    '지금은 처리할 수 없습니다. 잠시 후 다시 시도하십시오.',
  ],
  'error.disk_full': [
    'The disk of the server is full. Tell whoever runs it.',
    '서버의 디스크가 가득 찼습니다. 관리자에게 알려 주십시오.',
  ],
  'error.interrupted': [
    'The file did not arrive in full. Send it again.',
    '파일이 끝까지 전송되지 않았습니다. 다시 보내십시오.',
  ],
  'error.foreign_host': [
    'The server does not go by this name. Use the address that it printed.',
    '서버가 허용하지 않는 주소입니다. 서버가 출력한 주소를 사용하십시오.',
  ],
  'error.foreign_origin': [
    'The request came from another site and was refused.',
    '다른 사이트에서 온 요청이므로 거부했습니다.',
  ],
  'error.page_header_missing': [
    'The request did not come from this page and was refused.',
    '이 페이지에서 보낸 요청이 아니므로 거부했습니다.',
  ],
  'error.login_needed': ['Please log in.', '로그인해 주십시오.'],
  'error.login_wrong': ['Name or password is wrong.', '이름 또는 비밀번호가 올바르지 않습니다.'],
  'error.login_throttled': [
    'Too many attempts. Wait a minute, then try again.',
    '시도 횟수가 너무 많습니다. 잠시 후 다시 시도하십시오.',
  ],
  'error.link_used': [
    'This link was used or has expired. Use the address that the server printed last.',
    '이미 사용했거나 만료된 주소입니다. 서버가 마지막으로 출력한 주소를 사용하십시오.',
  ],
  'error.token_invalid': [
    'The API token is unknown or has expired. Make a new one.',
    'API 토큰을 알 수 없거나 만료되었습니다. 새로 만드십시오.',
  ],
  'error.role_too_low': [
    'Your role does not allow this. Ask an administrator.',
    '권한이 없습니다. 관리자에게 문의하십시오.',
  ],
  'error.scope_too_narrow': [
    'This API token may only read. Make one that may write.',
    '이 API 토큰은 읽기만 할 수 있습니다. 쓰기 권한이 있는 토큰을 만드십시오.',
  ],
  'error.session_needed': [
    'This is done on the page, not with an API token.',
    'API 토큰이 아니라 웹 페이지에서 해야 하는 작업입니다.',
  ],
  'error.account_needed': [
    'This needs an account of its own. Make one first.',
    '계정이 필요합니다. 먼저 계정을 만드십시오.',
  ],
  'error.name_taken': ['An account has this name already.', '이미 사용 중인 이름입니다.'],
  'error.first_account_is_admin': ['The first account must be an administrator.', '첫 번째 계정은 관리자여야 합니다.'],
  'error.last_admin': ['One administrator must remain.', '관리자가 한 명은 있어야 합니다.'],
  'error.password_weak': ['The password needs 10 characters or more.', '비밀번호는 10자 이상이어야 합니다.'],
  'error.password_wrong': ['The present password is wrong.', '현재 비밀번호가 올바르지 않습니다.'],
  'error.file_damaged': [
    'A stored file is missing or damaged. Tell whoever runs the server.',
    '저장된 파일이 없거나 손상되었습니다. 관리자에게 알려 주십시오.',
  ],
  'error.file_refused': [
    'The file cannot be used. Choose another one.',
    '사용할 수 없는 파일입니다. 다른 파일을 선택하십시오.',
  ],
  'error.upload_closed': [
    'This upload has become studies already. Begin a new one.',
    '이 업로드는 이미 검사로 저장되었습니다. 새로 업로드하십시오.',
  ],
  'error.upload_full': [
    'Too much is waiting in your unfinished uploads. Finish or discard some, then try again.',
    '완료하지 않은 업로드의 용량이 한도를 넘었습니다. 일부를 완료하거나 취소한 후 다시 시도하십시오.',
  ],
  'error.upload_not_ready': [
    'The files cannot become a study as they are. What is wrong stands beside each.',
    '지금 상태로는 검사로 저장할 수 없습니다. 각 파일 옆의 설명을 확인하십시오.',
  ],
  'error.study_mismatch': [
    'The files do not fit this study. Store them as a new one.',
    '이 검사와 맞지 않는 파일입니다. 새 검사로 저장하십시오.',
  ],
  'error.mask_unusable': ['The mask does not fit the study.', '마스크가 이 검사와 맞지 않습니다.'],
  'error.model_unusable': ['The file is no model of Glioscope.', 'Glioscope 모델 파일이 아닙니다.'],
  'error.draft_outdated': [
    'These edits are a version by now. Reload to see it.',
    '이 수정은 이미 버전으로 저장되었습니다. 새로 고쳐 확인하십시오.',
  ],
  'error.draft_elsewhere': [
    'Other unsaved edits of yours were kept meanwhile, in another tab or on another computer. Choose which to go on with.',
    '그 사이 다른 탭이나 컴퓨터에서 저장되지 않은 다른 수정이 보관되었습니다. 계속할 수정을 선택하십시오.',
  ],
  'error.too_many_uploads': [
    'Fifty of your uploads are still open. Finish or discard some, then try again.',
    '완료하지 않은 업로드가 50건입니다. 일부를 완료하거나 취소한 후 다시 시도하십시오.',
  ],
  'error.study_incomplete': [
    'A sequence is missing. Upload it first.',
    '누락된 시퀀스가 있습니다. 먼저 업로드하십시오.',
  ],
  'failure.study_incomplete': ['The study lacks a sequence.', '누락된 시퀀스가 있습니다.'],
  'failure.scans_unusable': ['These scans cannot be segmented.', '분할할 수 없는 영상입니다.'],
  'failure.model_unusable': [
    'The model cannot be opened. Activate another one.',
    '모델을 열 수 없습니다. 다른 모델을 활성화하십시오.',
  ],
  'failure.file_damaged': [
    'A stored file is damaged. Tell whoever runs the server.',
    '저장된 파일이 손상되었습니다. 관리자에게 알려 주십시오.',
  ],
  'failure.disk_full': ['The disk of the server is full.', '서버의 디스크가 가득 찼습니다.'],
  'failure.out_of_memory': ['There was not enough memory.', '메모리가 부족합니다.'],
  'failure.timed_out': ['It took longer than allowed.', '허용된 시간을 초과했습니다.'],
  'failure.crashed': ['The process that segmented stopped.', '분할 프로세스가 중단되었습니다.'],
  'failure.worker_lost': ['The worker did not answer any more.', '작업 프로세스가 응답하지 않습니다.'],
  'failure.internal': ['The server made a mistake.', '서버 내부 오류가 발생했습니다.'],
  'error.reference': ['Reference for the log: {id}', '로그 확인용 번호: {id}'],
} as const satisfies Entries & OfTheServer
