/** Tells a line that stands for omitted code, in the comments of many languages, from one that is text. Pure. */

const MAX_MARKER_CHARS = 200
/** Longer comments that speak of the rest are sentences. */
const MAX_PHRASE_CHARS = 40

/** What begins a comment, alone on its line or behind code and a space; the longer ones first. */
const OPENERS = String.raw`<!-- {{!-- <%-- {{/* {/* {{! <#-- <%# --[[ """ ''' /** /// //! /* // (* {- {# <# @* #= #| ||| ### ## # --- -- ;; ; %% % * ! '`
const OPENER = new RegExp(`^(?:${OPENERS.split(' ').map(escape).join('|')}|(?:@?REM|@?rem|dnl|::|\\.\\.|")(?=\\s))`)
const CLOSER = /\s*(?:--\}\}|\*\/\}\}|\*\/\}?|--%>|%>|-->|\}\}|\*\)|-\}|#\}|#>|\*@|=#|\|#|\]\]|"""|''')\s*$/
/** Behind code only what is a comment beyond doubt. */
const BEHIND_CODE = /\s(?:\/\/|\/\*|#|--|<!--)\s*(?=[[(<{]?\s*(?:\.{3}|…))/

const TO_DO = /^\[?(?:todo|fixme|note|xxx)\b\]?(?:\(\w*\))?\s*[:\-–]?\s*/i
const DOTS = /^(?:\.{3,}|[…⋯⋮])/
const STANDS_FOR =
  /^(?:(?:the|all|all the|your|my)\s+)?(?:rest|remainder|remaining|existing|other|previous|unchanged|same)\b/i
const NAMES_CODE = /\b(?:existing|unchanged|code|file|function|class|methods?|implementation|same)\b/i
/** Said of code that is not written out. */
const WHOLE_PHRASE =
  /^(?:(?:the|all|your|my|keep|keeping|include|insert|add|copy|leave)\s+)*(?:rest|remainder|remaining|existing|other|previous|original|everything else|unchanged|omitted|truncated|snip(?:ped)?|elided|same)\b/i
const STAYS =
  /\b(?:unchanged|omitted|truncated|elided|snip(?:ped)?|untouched|not shown|for brevity|as (?:before|is|above|it was|in the original)|the same|goes? here|continues)(?:\s+[\p{L}]+){0,2}\W*$/iu
const REST_OF_FILE =
  /^(?:the )?(?:rest|remainder|remaining) (?:of )?(?:the |your )?(?:code|file|function|class|method|implementation|content)\b/i
const REST_OF_CODE =
  /^(?:(?:the|all|your|my|keep|keeping|include|insert|add|copy|leave)\s+)*(?:rest|remainder|remaining|existing)\b/i
const CODE_NOUN =
  /\b(?:code|file|functions?|class|classes|methods?|implementations?|contents?|exports?|imports?|handlers?|routes?|components?|definitions?|declarations?|logic|lines?|module|script|body|props|fields|tests?|styles|rules|config|options|entries|items|page|markup|section|block|statements?|queries|query|types?)\b/i

/** The same in other languages, with or without dots. */
const ELSEWHERE = new RegExp(
  [
    '其余|其餘|其[他它](?:代码|部分|函数|方法)|(?:现有|原有|已有|剩余|以下)(?:的)?代码|省略|(?:保持|代码|部分)不[变變]|未(?:更改|修改|改动)',
    '既存の|残り[のは]|変更(?:なし|無し)|以下(?:略|同(?:じ|様))|기존 코드|나머지|생략|변경 없음',
    'остальн|существующ|без изменений|прежн(?:ий|яя|ее|ие) (?:код|содержимое|функци|метод)',
    String.raw`(?<!\p{L})(?:unverändert|(?:restliche|bestehende|übrige|vorhandene)[rsn]? (?:code|rest|funktion|methode|klasse|inhalt|datei))`,
    String.raw`(?<!\p{L})rest (?:de[sr] (?:codes?|datei|klasse|funktion|methode)|bleibt)(?!\p{L})`,
    String.raw`\b(?:reste|suite) du (?:code|fichier)|\bcode existant|\binchangé|\breste (?:reste )?(?:identique|pareil)`,
    String.raw`\bresto (?:del?|do) (?:código|codice|archivo|file)|\brestante do (?:código|arquivo)|\bcódigo existente|\bcodice esistente`,
    String.raw`\bsin cambios|\bsem alterações|\binvariat[oaie]\b|\bresto (?:permanece|queda|sigue|rimane) (?:igual|uguale)`,
    String.raw`\breszta (?:kodu|pliku)|\bbez zmian\b`,
  ].join('|'),
  'iu',
)
/** All that a comment says, when it stands for more of the same; its full stops are part of it. */
const AND_SO_ON =
  /^(?:etc|et cetera|and so (?:on|forth)|ditto|(?:same )?as (?:before|above)|usw|wie (?:bisher|zuvor|oben|vorher)|comme (?:avant|précédemment)|igual que antes|como antes|come prima|и т\. ?д|и так далее|как (?:раньше|прежде|было)|同上|以上同様|等等)\W*$/iu
/** Said of a place where the old text would stand. */
const NO_CHANGE = /^no (?:further |other )?changes?(?: (?:here|below|above|needed|required|in)\b.*)?$/i
const ALL_ELSE = /^(?:keep|leave|keeping|leaving) (?:everything else|the rest|all else|the remainder)\b/i
const STANDS_HERE = /^(?:your |the )?(?:previous|original|existing|old)\b/i

const ENDS_WITH_NOUN = new RegExp(`${CODE_NOUN.source}(?: here)?$`, 'i')

/** What every marker holds; nearly no other line does, so that a large text costs one look at each. */
const MAY_SAY =
  /\.{3}|[^\p{ASCII}]|no .*change|rest\b|remain|exist|other|previous|original|everything|unchanged|untouched|omitted|truncated|snip|elided|same|not shown|brevity|\bas |here|continues|resto|restlich|reste|suite|esistente|sin cambios|etc|so (?:on|forth)|ditto|usw|wie |bestehend|vorhanden|comme avant|como antes|come prima|igual que|invariat|reszta|bez zmian/iu

/** A line that reads like one, taken by itself: what it stands for is told by what the change takes away. */
export interface Marker {
  /** It can hardly be anything else; the others may be ordinary comments. */
  readonly isSure: boolean
  readonly namesCode: boolean
}

/** What a line says when it reads like a marker for omitted code, else null. Linear in the line; long lines are none. */
export function readMarker(line: string): Marker | null {
  if (line.length >= MAX_MARKER_CHARS || !MAY_SAY.test(line)) return null
  const trimmed = line.trim().replace(/\s+/g, ' ')
  const body = commentBody(behindCode(trimmed) ?? trimmed)
  const said = body === null ? textMarker(trimmed) : commentMarker(body)
  // A note of what is left to do may be just that.
  const marker = said === null && body !== null ? toDoMarker(body) : said
  return marker === null ? null : { isSure: marker === 'sure', namesCode: NAMES_CODE.test(trimmed) }
}

/** The comment at the end of a line that begins with code, without what closes a bracket behind it; null when there is none. */
function behindCode(trimmed: string): string | null {
  const behind = BEHIND_CODE.exec(trimmed)
  return behind === null
    ? null
    : trimmed
        .slice(behind.index)
        .trim()
        .replace(/(?<=\*\/)[\s)}\];,]*$/, '')
}

interface CommentBody {
  readonly words: string
  readonly opener: string
}

/** The words of a line that is a comment, with the character that began it; null when the line is none. */
function commentBody(trimmed: string): CommentBody | null {
  const opener = OPENER.exec(trimmed)?.[0]
  if (opener === undefined) return null
  return { words: trimmed.slice(opener.length).replace(CLOSER, '').trim(), opener }
}

function commentMarker({ words, opener }: CommentBody): 'sure' | 'perhaps' | null {
  const inner = withoutBrackets(words)
  const dots = DOTS.exec(inner)?.[0]
  if (dots !== undefined) {
    const rest = inner.slice(dots.length)
    // A statement may begin with a semicolon, an asterisk or a quotation mark, and a spread with dots.
    if (/^[\p{L}_$]/u.test(rest) && /^[;*%!'"|@]/.test(opener)) return null
    const said = withoutBrackets(rest.trim())
    if ((STANDS_FOR.test(said) || ELSEWHERE.test(said)) && isOnePhrase(said)) return 'sure'
    return isOnePhrase(said) && !/^['"|@]/.test(opener) ? 'perhaps' : null
  }
  if (/^(?:[*!'|]|@\*|"|\.\.)/.test(opener)) return null
  if (AND_SO_ON.test(inner)) return 'perhaps'
  if (!isOnePhrase(inner)) return null
  // A heading of Markdown.
  if (opener.startsWith('##') && /^\p{L}+$/u.test(words)) return null
  if (REST_OF_FILE.test(inner)) return 'sure'
  if (
    NO_CHANGE.test(inner) ||
    ALL_ELSE.test(inner) ||
    (STANDS_HERE.test(inner) && / here$/i.test(inner) && ENDS_WITH_NOUN.test(inner))
  )
    return 'perhaps'
  if (ELSEWHERE.test(inner) && inner.length <= MAX_PHRASE_CHARS) return 'perhaps'
  if (inner !== words && /[\])}>]$/.test(words) && WHOLE_PHRASE.test(inner) && CODE_NOUN.test(inner)) return 'perhaps'
  if (STAYS.test(inner)) return WHOLE_PHRASE.test(inner) || CODE_NOUN.test(inner) ? 'perhaps' : null
  if (WHOLE_PHRASE.test(inner) && endsWithDots(inner)) return 'perhaps'
  return REST_OF_CODE.test(inner) && ENDS_WITH_NOUN.test(inner) ? 'perhaps' : null
}

function toDoMarker({ words, opener }: CommentBody): 'perhaps' | null {
  const after = words.replace(TO_DO, '')
  return after !== words && commentMarker({ words: after, opener }) !== null ? 'perhaps' : null
}

/** The same without a comment: dots, a space and words that name code, or words in brackets. A spread has no space. */
function textMarker(trimmed: string): 'sure' | 'perhaps' | null {
  if (trimmed === '…' || trimmed === '[…]' || trimmed === '[...]') return 'perhaps'
  const inner = withoutBrackets(trimmed)
  const dots = DOTS.exec(inner)?.[0]
  if (dots !== undefined) {
    const rest = inner.slice(dots.length)
    if (!/^\s/.test(rest)) return null
    const said = withoutBrackets(rest.trim())
    if (!isOnePhrase(said)) return null
    const isBracketed = said !== rest.trim() || inner !== trimmed
    if (STANDS_FOR.test(said)) {
      if (isBracketed || endsWithDots(said) || (CODE_NOUN.test(said) && !/[,;:=(]$/.test(said))) return 'sure'
    }
    return isBracketed && STAYS.test(said) ? 'perhaps' : null
  }
  const isBracketed = inner !== trimmed && /^(?:[[(<]|\{(?=\w+ \w))/.test(trimmed)
  return isBracketed && isOnePhrase(inner) && WHOLE_PHRASE.test(inner) && (CODE_NOUN.test(inner) || STAYS.test(inner))
    ? 'perhaps'
    : null
}

/** Without one pair of brackets around it, or dashes or equals signs before and behind. */
function withoutBrackets(text: string): string {
  const plain = text.replace(/^[-=~*\s]{2,}(?=\S)/, '').replace(/(?<=\S)\s*[-=~*]{2,}$/, '')
  return plain
    .replace(/^[[(<{]\s*/, '')
    .replace(/\s*[\])}>]$/, '')
    .trim()
}

/** One phrase without a full stop in it, with dots at its end or not: prose goes on. */
function isOnePhrase(text: string): boolean {
  return !/[.…]/.test(text.replace(/\s*(?:\.{3,}|…)\s*[\])}>]?$/, '').replace(/\.$/, '')) || text === ''
}

function endsWithDots(text: string): boolean {
  return /(?:\.{3}|…)\s*[\])}>]?$/.test(text)
}

function escape(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`)
}
