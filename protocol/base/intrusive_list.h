// A doubly linked list that allocates nothing: the element carries its hook. The list owns nothing.
// An element must be unlinked before it dies; the hook's destructor checks that (it does not unlink
// by itself, which would hide a thread touching a list that is not its own).
// Thread: that of the list's owner, or under the lock that guards the list.
#pragma once

#include <cstddef>

#include "protocol/base/check.h"

namespace weir {

struct ListHook {
    ListHook* prev = nullptr;
    ListHook* next = nullptr;

    ListHook() = default;
    ListHook(const ListHook&) = delete;
    ListHook& operator=(const ListHook&) = delete;
    ~ListHook() { WEIR_DCHECK(!is_linked()); }
    [[nodiscard]] bool is_linked() const { return next != nullptr; }
};

// T derives from Hook, a type derived from ListHook (one per list that T can be in).
template <typename T, typename Hook>
class IntrusiveList {
  public:
    IntrusiveList() { head_.prev = head_.next = &head_; }
    ~IntrusiveList() {
        WEIR_DCHECK(empty());
        head_.prev = head_.next = nullptr;
    }
    IntrusiveList(const IntrusiveList&) = delete;
    IntrusiveList& operator=(const IntrusiveList&) = delete;

    [[nodiscard]] bool empty() const { return head_.next == &head_; }
    [[nodiscard]] size_t size() const { return size_; }
    T* front() { return empty() ? nullptr : cast(head_.next); }
    T* back() { return empty() ? nullptr : cast(head_.prev); }
    // The element after `item`; null at the end.
    T* next(T& item) {
        ListHook* n = static_cast<Hook&>(item).next;
        return n == &head_ ? nullptr : cast(n);
    }

    // The element before `item`; null at the beginning.
    T* previous(T& item) {
        ListHook* p = static_cast<Hook&>(item).prev;
        return p == &head_ ? nullptr : cast(p);
    }

    void push_back(T& item) { insert_before(head_, item); }
    void push_front(T& item) { insert_before(*head_.next, item); }
    // In front of `at`, which is in the list.
    void insert(T& at, T& item) { insert_before(static_cast<Hook&>(at), item); }
    void remove(T& item) {
        ListHook& hook = static_cast<Hook&>(item);
        WEIR_CHECK(hook.is_linked());
        hook.prev->next = hook.next;
        hook.next->prev = hook.prev;
        hook.prev = hook.next = nullptr;
        --size_;
    }
    T* pop_front() {
        T* item = front();
        if (item != nullptr) remove(*item);
        return item;
    }
    T* pop_back() {
        T* item = back();
        if (item != nullptr) remove(*item);
        return item;
    }

  private:
    static T* cast(ListHook* hook) { return static_cast<T*>(static_cast<Hook*>(hook)); }
    void insert_before(ListHook& at, T& item) {
        ListHook& hook = static_cast<Hook&>(item);
        WEIR_CHECK(!hook.is_linked());
        hook.prev = at.prev;
        hook.next = &at;
        at.prev->next = &hook;
        at.prev = &hook;
        ++size_;
    }

    ListHook head_;
    size_t size_ = 0;
};

}  // namespace weir
