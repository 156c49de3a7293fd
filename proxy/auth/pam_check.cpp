#include "proxy/auth/pam_check.h"

#include <security/pam_appl.h>

#include <cstdlib>
#include <cstring>

#include <spdlog/fmt/fmt.h>

#include "conf/logging.h"

namespace weir {

namespace {

// What the conversation and the delay callback are given.
struct Asked {
    const PasswordQuestion& question;
    Duration delay{0};
};

void free_replies(pam_response* replies, int count) {
    for (int i = 0; i < count; ++i) {
        if (replies[i].resp == nullptr) continue;
        OPENSSL_cleanse(replies[i].resp, std::strlen(replies[i].resp));
        std::free(replies[i].resp);  // NOLINT: PAM's own allocator
    }
    std::free(replies);  // NOLINT
}

// Every prompt that hides what is typed gets the password; the module frees the replies.
int converse(int count, const pam_message** messages, pam_response** out, void* data) noexcept {
    const Asked& asked = *static_cast<Asked*>(data);
    if (count <= 0 || count > PAM_MAX_NUM_MSG) return PAM_CONV_ERR;
    auto* replies = static_cast<pam_response*>(
        std::calloc(static_cast<size_t>(count), sizeof(pam_response)));  // NOLINT
    if (replies == nullptr) return PAM_BUF_ERR;
    for (int i = 0; i < count; ++i) {
        const std::string_view password = asked.question.password.view();
        switch (messages[i]->msg_style) {
            case PAM_PROMPT_ECHO_OFF:
                replies[i].resp = strndup(password.data(), password.size());
                if (replies[i].resp != nullptr) break;
                free_replies(replies, count);
                return PAM_BUF_ERR;
            case PAM_ERROR_MSG:
                log::info("PAM says of user \"{}\": {}", asked.question.user, messages[i]->msg);
                break;
            case PAM_TEXT_INFO: break;
            default:  // a question that nobody is there to answer
                free_replies(replies, count);
                return PAM_CONV_ERR;
        }
    }
    *out = replies;
    return PAM_SUCCESS;
}

// PAM would sleep after a failure, and everybody behind it would wait; the session waits instead.
void note_delay(int status, unsigned delay_us, void* data) noexcept {
    if (status != PAM_SUCCESS) static_cast<Asked*>(data)->delay = Duration(delay_us);
}

// PAM could not judge. Everything else counts as a wrong password: modules have many words for it
// (pam_exec says PAM_SYSTEM_ERR).
bool is_breakdown(int status) {
    switch (status) {
        case PAM_OPEN_ERR:
        case PAM_SYMBOL_ERR:
        case PAM_MODULE_UNKNOWN:
        case PAM_BUF_ERR:
        case PAM_CONV_ERR:
        case PAM_ABORT:
        case PAM_BAD_ITEM:
        case PAM_CRED_INSUFFICIENT:
        case PAM_AUTHINFO_UNAVAIL: return true;
        default: return false;
    }
}

PasswordAnswer failure(pam_handle_t* handle, const char* call, int status) {
    PasswordAnswer answer;
    answer.kind = is_breakdown(status) ? PasswordAnswer::Kind::Failed : PasswordAnswer::Kind::Wrong;
    answer.why = fmt::format("{}() failed: {}", call, pam_strerror(handle, status));
    return answer;
}

PasswordAnswer ask(pam_handle_t* handle, const PasswordQuestion& question) {
    if (const int status = pam_set_item(handle, PAM_RHOST, question.client_host.c_str());
        status != PAM_SUCCESS) {
        return failure(handle, "pam_set_item", status);
    }
    void (*const callback)(int, unsigned, void*) = note_delay;
    void* item = nullptr;
    static_assert(sizeof callback == sizeof item);
    std::memcpy(&item, &callback, sizeof item);  // PAM takes functions as data
    if (const int status = pam_set_item(handle, PAM_FAIL_DELAY, item); status != PAM_SUCCESS)
        return failure(handle, "pam_set_item", status);
    if (const int status = pam_authenticate(handle, PAM_SILENT); status != PAM_SUCCESS)
        return failure(handle, "pam_authenticate", status);
    if (const int status = pam_acct_mgmt(handle, PAM_SILENT); status != PAM_SUCCESS)
        return failure(handle, "pam_acct_mgmt", status);
    return {.kind = PasswordAnswer::Kind::Right};
}

}  // namespace

PasswordAnswer check_by_pam(const PasswordQuestion& question) {
    Asked asked{question};
    const pam_conv conversation{converse, &asked};
    pam_handle_t* handle = nullptr;
    if (const int status =
            pam_start(question.pam_service.c_str(), question.user.c_str(), &conversation, &handle);
        status != PAM_SUCCESS) {
        return failure(nullptr, "pam_start", status);
    }
    PasswordAnswer answer = ask(handle, question);
    pam_end(handle, answer.kind == PasswordAnswer::Kind::Right ? PAM_SUCCESS : PAM_AUTH_ERR);
    answer.delay = asked.delay;
    return answer;
}

}  // namespace weir
