// Goal: the small containers and values of protocol/base keep their promises.
// Method: each is driven by hand at its edges, then by seeded random steps beside the obvious
// container of the standard library.
#include <doctest/doctest.h>

#include <array>
#include <list>
#include <string>
#include <vector>

#include "protocol/base/byte_queue.h"
#include "protocol/base/bytes.h"
#include "protocol/base/clock.h"
#include "protocol/base/ids.h"
#include "protocol/base/intrusive_list.h"
#include "protocol/base/random.h"
#include "protocol/base/slab.h"

namespace weir::base_test {
namespace {

// ---- bytes ----

TEST_CASE("big-endian stores are read back and lie in memory as on the wire") {
    uint8_t b[8];
    store_be16(b, 0x0102);
    CHECK(b[0] == 1);
    CHECK(load_be16(b) == 0x0102);
    store_be32(b, 0x01020304);
    CHECK(b[3] == 4);
    CHECK(load_be32(b) == 0x01020304);
    store_be64(b, 0x0102030405060708);
    CHECK(b[7] == 8);
    CHECK(load_be64(b) == 0x0102030405060708);
}

TEST_CASE("a read past the end gives zero and is remembered") {
    const uint8_t three[] = {1, 2, 3};
    ByteReader r(three);
    CHECK(r.u16() == 0x0102);
    CHECK(r.remaining() == 1);
    CHECK(r.u32() == 0);
    CHECK_FALSE(r.ok());
    CHECK(r.at_end());
    CHECK(r.u8() == 0);
    CHECK(r.bytes(1).empty());
    CHECK(r.cstring().empty());
    CHECK(r.rest().empty());
    CHECK_FALSE(r.ok());
}

TEST_CASE("a reader takes texts up to their NUL and refuses one without") {
    const std::string text("ab\0\0cd", 6);
    ByteReader r(as_bytes(text));
    CHECK(r.cstring() == "ab");
    CHECK(r.cstring().empty());
    CHECK(r.ok());
    CHECK(r.cstring().empty());
    CHECK_FALSE(r.ok());
    ByteReader nothing{ByteView{}};
    CHECK(nothing.bytes(0).empty());
    CHECK(nothing.ok());
    CHECK(nothing.cstring().empty());
    CHECK_FALSE(nothing.ok());
}

// ---- ByteQueue ----

TEST_CASE("an empty byte queue owns no memory") {
    ByteQueue queue;
    CHECK(queue.capacity() == 0);
    queue.append({});
    CHECK(queue.capacity() == 0);
    queue.append(as_bytes("hello"));
    CHECK(queue.capacity() >= 5);
    queue.consume(5);
    CHECK(queue.empty());
    CHECK(queue.capacity() == 0);
    queue.append(as_bytes("x"));
    queue.clear();
    CHECK(queue.capacity() == 0);
}

TEST_CASE("a byte queue gives back what was put in, in order") {
    Prng prng(8);
    ByteQueue queue;
    std::string model;
    size_t capacity_max = 0;
    for (int step = 0; step < 20'000; ++step) {
        if (prng.chance(50)) {
            std::string more(prng.below(50), '\0');
            for (char& c : more)
                c = static_cast<char>(prng.next());
            queue.append(as_bytes(more));
            model += more;
        } else {
            const size_t bytes = prng.below(model.size() + 1);
            queue.consume(bytes);
            model.erase(0, bytes);
        }
        if (as_text(queue.view()) != model || queue.size() != model.size()) FAIL(step);
        if (queue.empty() != model.empty()) FAIL(step);
        capacity_max = std::max(capacity_max, queue.capacity());
    }
    CHECK(capacity_max < 4096);  // waste is dropped
}

TEST_CASE("a byte queue that never runs empty does not grow without end") {
    ByteQueue queue;
    queue.append(as_bytes("12345678"));
    for (int round = 0; round < 100'000; ++round) {
        queue.append(as_bytes("12345678"));
        queue.consume(8);
    }
    CHECK(queue.size() == 8);
    CHECK(queue.capacity() < 200);
}

TEST_CASE("spare memory goes from queue to queue, within bounds") {
    SpareBytes spares;
    ByteQueue first;
    first.append(as_bytes("hello"), spares);
    const uint8_t* memory = first.view().data();
    const size_t capacity = first.capacity();
    first.clear(spares);
    CHECK(first.empty());
    CHECK(first.capacity() == 0);
    CHECK(spares.bytes() == capacity);
    ByteQueue second;
    second.append({}, spares);
    CHECK(second.capacity() == 0);
    second.append(as_bytes("ab"), spares);
    second.append(as_bytes("cd"), spares);
    CHECK(second.view().data() == memory);
    CHECK(as_text(second.view()) == "abcd");
    CHECK(spares.bytes() == 0);
    second.append(as_bytes(std::string(100'000, 'x')));
    second.clear(spares);
    CHECK(spares.bytes() == 0);  // too long to be kept
    std::vector<ByteQueue> many(10'000);
    for (ByteQueue& queue : many)
        queue.append(as_bytes("x"), spares);
    for (ByteQueue& queue : many)
        queue.clear(spares);
    CHECK(spares.bytes() > 100'000);
    CHECK(spares.bytes() < 1'000'000);
}

// ---- Slab ----

struct Slot {
    uint32_t slot = 0;
    uint32_t generation = 0;
    int payload = 0;
};

TEST_CASE("a slot is found by its present life only") {
    Slab<Slot> slab;
    CHECK(slab.find(0, 0) == nullptr);
    Slot& a = slab.take();
    const uint32_t generation = a.generation;
    CHECK(generation != 0);
    CHECK(slab.find(a.slot, generation) == &a);
    CHECK(slab.find(a.slot, generation + 1) == nullptr);
    slab.give_back(a);
    CHECK(slab.find(a.slot, generation) == nullptr);
    Slot& b = slab.take();
    CHECK(&b == &a);
    CHECK(b.generation != generation);
    CHECK(slab.find(b.slot, generation) == nullptr);
    CHECK(slab.find(slab.capacity(), 1) == nullptr);
    CHECK(slab.find(0xffffffff, 1) == nullptr);
}

TEST_CASE("a generation skips zero when it wraps around") {
    Slab<Slot> slab;
    Slot& item = slab.take();
    item.generation = 0xffffffff;
    slab.give_back(item);
    CHECK(item.generation == 1);
    item.generation = 0xffffffff;
    CHECK(slab.take().generation == 1);
}

TEST_CASE("a growing slab keeps addresses and hands out every slot once") {
    Slab<Slot> slab;
    std::vector<Slot*> taken;
    for (uint32_t i = 0; i < 300; ++i) {
        taken.push_back(&slab.take());
        taken.back()->payload = static_cast<int>(i);
        CHECK(taken.back()->slot == i);
    }
    CHECK(slab.in_use() == 300);
    CHECK(slab.capacity() >= 300);
    for (uint32_t i = 0; i < 300; ++i) {
        CHECK(slab.at(i) == taken[i]);
        CHECK(taken[i]->payload == static_cast<int>(i));
    }
    for (Slot* item : taken)
        slab.give_back(*item);
    CHECK(slab.in_use() == 0);
    const uint32_t capacity = slab.capacity();
    for (uint32_t i = 0; i < capacity; ++i)
        slab.take();
    CHECK(slab.capacity() == capacity);
}

// ---- IntrusiveList ----

struct FirstHook : ListHook {};
struct SecondHook : ListHook {};
struct Item : FirstHook, SecondHook {
    int value = 0;
};

TEST_CASE("a list gives its elements at both ends and in order") {
    IntrusiveList<Item, FirstHook> list;
    CHECK(list.front() == nullptr);
    CHECK(list.back() == nullptr);
    CHECK(list.pop_front() == nullptr);
    CHECK(list.pop_back() == nullptr);
    Item a, b, c;
    list.push_back(b);
    list.push_back(c);
    list.push_front(a);
    CHECK(list.size() == 3);
    CHECK(list.front() == &a);
    CHECK(list.next(a) == &b);
    CHECK(list.next(b) == &c);
    CHECK(list.next(c) == nullptr);
    CHECK(list.back() == &c);
    list.remove(b);
    CHECK(list.next(a) == &c);
    CHECK(list.pop_back() == &c);
    CHECK(list.pop_front() == &a);
    CHECK(list.empty());
}

TEST_CASE("an element can be in one list per hook") {
    IntrusiveList<Item, FirstHook> first;
    IntrusiveList<Item, SecondHook> second;
    Item a, b;
    first.push_back(a);
    first.push_back(b);
    second.push_back(b);
    second.push_back(a);
    CHECK(first.front() == &a);
    CHECK(second.front() == &b);
    first.remove(a);
    CHECK_FALSE(static_cast<FirstHook&>(a).is_linked());
    CHECK(static_cast<SecondHook&>(a).is_linked());
    first.remove(b);
    CHECK(second.size() == 2);
    second.remove(a);
    second.remove(b);
}

TEST_CASE("a list follows std::list through random steps") {
    Prng prng(9);
    IntrusiveList<Item, FirstHook> list;
    std::list<Item*> model;
    std::vector<Item> items(40);
    for (int step = 0; step < 20'000; ++step) {
        Item& item = items[prng.below(items.size())];
        if (static_cast<FirstHook&>(item).is_linked()) {
            list.remove(item);
            model.remove(&item);
        } else if (prng.chance(50)) {
            list.push_back(item);
            model.push_back(&item);
        } else {
            list.push_front(item);
            model.push_front(&item);
        }
        if (list.size() != model.size()) FAIL(step);
        Item* at = list.front();
        for (Item* expected : model) {
            if (at != expected) FAIL(step);
            at = list.next(*at);
        }
        if (at != nullptr) FAIL(step);
    }
    while (list.pop_front() != nullptr) {
    }
}

// ---- Prng, secure_random, Clock, ids ----

TEST_CASE("the seeded generator is splitmix64") {
    Prng prng(1234567);  // the published test vector
    CHECK(prng.next() == 6457827717110365317ULL);
    CHECK(prng.next() == 3203168211198807973ULL);
    CHECK(prng.next() == 9817491932198370423ULL);
}

TEST_CASE("the same seed gives the same numbers, within bounds") {
    Prng a(42), b(42), c(43);
    bool differs = false;
    int hits = 0;
    for (int i = 0; i < 1000; ++i) {
        const uint64_t bound = 1 + static_cast<uint64_t>(i);
        const uint64_t value = a.below(bound);
        CHECK(value < bound);
        CHECK(value == b.below(bound));
        differs = differs || value != c.below(bound);
        hits += a.chance(25);
        b.next();
        CHECK_FALSE(c.chance(0));
        CHECK(c.chance(100));
    }
    CHECK(differs);
    CHECK(hits > 150);
    CHECK(hits < 350);
}

TEST_CASE("secure random bytes fill everything and do not repeat") {
    std::array<uint8_t, 32> a{}, b{};
    secure_random(a);
    secure_random(b);
    CHECK(a != b);
    CHECK(a != std::array<uint8_t, 32>{});
    secure_random({});
}

TEST_CASE("the system clock never goes back and is never zero") {
    SystemClock clock;
    const Instant start = clock.now();
    CHECK_FALSE(start.is_never());
    Instant last = start;
    for (int i = 0; i < 1000; ++i) {
        const Instant now = clock.now();
        CHECK(now >= last);
        last = now;
    }
    CHECK(clock.wall_us(last) > 1'600'000'000'000'000);
    const int64_t ahead = clock.wall_us(last + std::chrono::seconds(1)) - clock.wall_us(last);
    CHECK(ahead > 900'000);
    CHECK(ahead < 1'100'000);
}

TEST_CASE("instants are counted in microseconds") {
    const Instant at{5'000'000};
    CHECK(at + std::chrono::milliseconds(2) == Instant{5'002'000});
    CHECK(Instant{7} - Instant{3} == Duration(4));
    CHECK(Instant{3} < at);
    CHECK(Instant{}.is_never());
}

TEST_CASE("a client of generation zero is nobody") {
    CHECK(ClientId{}.is_nobody());
    const ClientId somebody{3, 1, 0};
    CHECK_FALSE(somebody.is_nobody());
    CHECK(somebody == ClientId{3, 1, 0});
    CHECK_FALSE(somebody == ClientId{3, 2, 0});
}

}  // namespace
}  // namespace weir::base_test
