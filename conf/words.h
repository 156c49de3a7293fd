// The words of every enumerated setting, as the files and SHOW CONFIG write them. Thread: any
// (constants).
#pragma once

#include "conf/auth_method.h"
#include "conf/config.h"
#include "conf/value.h"

namespace weir {

inline constexpr Word kPoolModeWords[] = {
    {"session", static_cast<int>(PoolMode::Session)},
    {"transaction", static_cast<int>(PoolMode::Transaction)},
    {"statement", static_cast<int>(PoolMode::Statement)},
};

inline constexpr Word kAuthTypeWords[] = {
    {"any", static_cast<int>(AuthType::Any)},
    {"trust", static_cast<int>(AuthType::Trust)},
    {"plain", static_cast<int>(AuthType::Plain)},
    {"md5", static_cast<int>(AuthType::Md5)},
    {"scram-sha-256", static_cast<int>(AuthType::ScramSha256)},
    {"cert", static_cast<int>(AuthType::Cert)},
    {"hba", static_cast<int>(AuthType::Hba)},
    {"ldap", static_cast<int>(AuthType::Ldap)},
    {"pam", static_cast<int>(AuthType::Pam)},
};

// Of the rules of auth_hba_file.
inline constexpr Word kHbaMethodWords[] = {
    {"trust", static_cast<int>(AuthMethod::Trust)},
    {"reject", static_cast<int>(AuthMethod::Reject)},
    {"md5", static_cast<int>(AuthMethod::Md5)},
    {"password", static_cast<int>(AuthMethod::Plain)},
    {"scram-sha-256", static_cast<int>(AuthMethod::ScramSha256)},
    {"peer", static_cast<int>(AuthMethod::Peer)},
    {"cert", static_cast<int>(AuthMethod::Cert)},
    {"ldap", static_cast<int>(AuthMethod::Ldap)},
    {"pam", static_cast<int>(AuthMethod::Pam)},
};

inline constexpr Word kSslModeWords[] = {
    {"disable", static_cast<int>(SslMode::Disable)},
    {"allow", static_cast<int>(SslMode::Allow)},
    {"prefer", static_cast<int>(SslMode::Prefer)},
    {"require", static_cast<int>(SslMode::Require)},
    {"verify-ca", static_cast<int>(SslMode::VerifyCa)},
    {"verify-full", static_cast<int>(SslMode::VerifyFull)},
};

inline constexpr Word kTlsNegotiationWords[] = {
    {"postgres", static_cast<int>(TlsNegotiation::Postgres)},
    {"direct", static_cast<int>(TlsNegotiation::Direct)},
};

inline constexpr Word kLoadBalanceWords[] = {
    {"round-robin", static_cast<int>(LoadBalanceHosts::RoundRobin)},
    {"disable", static_cast<int>(LoadBalanceHosts::Disable)},
};

inline constexpr Word kBackendRoleWords[] = {
    {"auto", static_cast<int>(BackendRole::Auto)},
    {"primary", static_cast<int>(BackendRole::Primary)},
    {"replica", static_cast<int>(BackendRole::Replica)},
};

inline constexpr Word kTargetSessionAttrsWords[] = {
    {"any", static_cast<int>(TargetSessionAttrs::Any)},
    {"read-write", static_cast<int>(TargetSessionAttrs::ReadWrite)},
    {"read-only", static_cast<int>(TargetSessionAttrs::ReadOnly)},
    {"primary", static_cast<int>(TargetSessionAttrs::Primary)},
    {"standby", static_cast<int>(TargetSessionAttrs::Standby)},
    {"prefer-standby", static_cast<int>(TargetSessionAttrs::PreferStandby)},
};

inline constexpr Word kReadYourWritesWords[] = {
    {"off", static_cast<int>(ReadYourWrites::Off)},
    {"time", static_cast<int>(ReadYourWrites::Time)},
    {"lsn", static_cast<int>(ReadYourWrites::Lsn)},
};

inline constexpr Word kBalanceMethodWords[] = {
    {"weighted_least_outstanding", static_cast<int>(LoadBalance::WeightedLeastOutstanding)},
    {"weighted_round_robin", static_cast<int>(LoadBalance::WeightedRoundRobin)},
    {"random", static_cast<int>(LoadBalance::Random)},
    {"peak_ewma", static_cast<int>(LoadBalance::PeakEwma)},
    {"first", static_cast<int>(LoadBalance::First)},
};

inline constexpr Word kSizingModeWords[] = {
    {"fixed", static_cast<int>(SizingMode::Fixed)},
    {"demand", static_cast<int>(SizingMode::Demand)},
    {"adaptive", static_cast<int>(SizingMode::Adaptive)},
};

inline constexpr Word kQueueErrorWords[] = {
    {"close", static_cast<int>(QueueError::Close)},
    {"keep", static_cast<int>(QueueError::Keep)},
};

inline constexpr Word kServerProtocolWords[] = {
    {"3.0", static_cast<int>(ServerProtocol::V30)},
    {"3.2", static_cast<int>(ServerProtocol::V32)},
};

inline constexpr Word kShutdownDrainWords[] = {
    {"none", static_cast<int>(ShutdownDrain::None)},
    {"transaction", static_cast<int>(ShutdownDrain::Transaction)},
};

inline constexpr Word kStatementErrorWords[] = {
    {"close", static_cast<int>(StatementError::Close)},
    {"keep", static_cast<int>(StatementError::Keep)},
};

inline constexpr Word kLogFormatWords[] = {
    {"pgbouncer", static_cast<int>(LogFormat::Pgbouncer)},
    {"json", static_cast<int>(LogFormat::Json)},
};

inline constexpr Word kRatePointWords[] = {
    {"accept", static_cast<int>(RatePoint::Accept)},
    {"login", static_cast<int>(RatePoint::Login)},
    {"transaction", static_cast<int>(RatePoint::Transaction)},
};

inline constexpr Word kRateKeyPartWords[] = {
    {"address", static_cast<int>(RateKeyPart::Address)},
    {"user", static_cast<int>(RateKeyPart::User)},
    {"database", static_cast<int>(RateKeyPart::Database)},
    {"application_name", static_cast<int>(RateKeyPart::ApplicationName)},
    {"query_class", static_cast<int>(RateKeyPart::QueryClass)},
};

inline constexpr Word kQueryClassWords[] = {
    {"read", static_cast<int>(QueryClass::Read)},
    {"write", static_cast<int>(QueryClass::Write)},
    {"ddl", static_cast<int>(QueryClass::Ddl)},
    {"copy", static_cast<int>(QueryClass::Copy)},
    {"utility", static_cast<int>(QueryClass::Utility)},
};

inline constexpr Word kRateActionWords[] = {
    {"delay", static_cast<int>(RateAction::Delay)},
    {"reject", static_cast<int>(RateAction::Reject)},
    {"log", static_cast<int>(RateAction::Log)},
};

// Kept as text in GlobalConfig; the numbers only tell the words apart.
inline constexpr Word kSyslogFacilityWords[] = {
    {"auth", 0},   {"authpriv", 1}, {"daemon", 2}, {"user", 3},   {"local0", 4},  {"local1", 5},
    {"local2", 6}, {"local3", 7},   {"local4", 8}, {"local5", 9}, {"local6", 10}, {"local7", 11},
};

}  // namespace weir
