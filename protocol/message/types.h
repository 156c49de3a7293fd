// The vocabulary of protocol 3: message tags, transaction status, request codes.
// Source: PostgreSQL documentation, "Frontend/Backend Protocol", Message Formats.
// Thread: any (values).
#pragma once

#include <cstdint>

namespace weir {

enum class FrontendTag : uint8_t {
    Bind = 'B',
    Close = 'C',
    CopyData = 'd',
    CopyDone = 'c',
    CopyFail = 'f',
    Describe = 'D',
    Execute = 'E',
    Flush = 'H',
    FunctionCall = 'F',
    Parse = 'P',
    Password = 'p',  // also GSSResponse, SASLInitialResponse, SASLResponse
    Query = 'Q',
    Sync = 'S',
    Terminate = 'X',
};

enum class BackendTag : uint8_t {
    Authentication = 'R',
    BackendKeyData = 'K',
    BindComplete = '2',
    CloseComplete = '3',
    CommandComplete = 'C',
    CopyBothResponse = 'W',
    CopyData = 'd',
    CopyDone = 'c',
    CopyInResponse = 'G',
    CopyOutResponse = 'H',
    DataRow = 'D',
    EmptyQueryResponse = 'I',
    ErrorResponse = 'E',
    FunctionCallResponse = 'V',
    NegotiateProtocolVersion = 'v',
    NoData = 'n',
    NoticeResponse = 'N',
    NotificationResponse = 'A',
    ParameterDescription = 't',
    ParameterStatus = 'S',
    ParseComplete = '1',
    PortalSuspended = 's',
    ReadyForQuery = 'Z',
    RowDescription = 'T',
};

enum class TransactionStatus : uint8_t { Idle = 'I', InTransaction = 'T', Failed = 'E' };

enum class AuthRequest : int32_t {
    Ok = 0,
    CleartextPassword = 3,
    Md5Password = 5,
    Sasl = 10,
    SaslContinue = 11,
    SaslFinal = 12,
};

// First word of a start-up packet.
constexpr uint32_t kProtocol30 = 0x00030000;
constexpr uint32_t kProtocol32 = 0x00030002;  // PostgreSQL 18: cancel keys of up to 256 bytes
constexpr uint32_t kCancelRequestCode = 80877102;
constexpr uint32_t kSslRequestCode = 80877103;
constexpr uint32_t kGssEncRequestCode = 80877104;

constexpr uint32_t kFrameHeaderBytes = 5;  // tag + length; the length counts itself but not the tag

// Messages before authentication are short; anything longer is refused. PostgreSQL takes 10000
// bytes for start-up (MAX_STARTUP_PACKET_LENGTH) and 65535 for authentication; PgBouncer takes
// longer start-up packets, whose `options` never reach a server.
constexpr uint32_t kStartupPacketBytesMax = 65536;
constexpr uint32_t kAuthMessageBytesMax = 65535;

}  // namespace weir
