// Completion queues, with the poll of an event loop.
#include "check.hpp"

#include <map>

#include <fcntl.h>
#include <poll.h>

namespace {

bool readable(const cape::Queue &queue, int timeout_ms)
{
    pollfd waiting{queue.descriptor(), POLLIN, 0};
    return poll(&waiting, 1, timeout_ms) == 1;
}

using Pending = std::map<cape_handle, std::pair<std::string, cape::Operation>>;

void start(const cape::Connection &conn, const cape::Queue &queue, Pending &pending, const std::string &input)
{
    cape::Operation operation = conn.invoke_start(input, queue);
    const cape_handle handle = operation.handle();
    pending.emplace(handle, std::make_pair(input, std::move(operation)));
}

// Takes what has ended until nothing is pending, at most so many at a time.
void drain(const cape::Queue &queue, Pending &pending, std::size_t most)
{
    while (!pending.empty()) {
        if (!readable(queue, 30000)) {
            std::cerr << pending.size() << " operations never ended\n";
            check_failures++;
            return;
        }
        for (const cape_handle handle : queue.take(most)) {
            const auto found = pending.find(handle);
            if (found == pending.end()) {
                std::cerr << "an operation of another queue, or one that was told of twice\n";
                check_failures++;
                continue;
            }
            auto &[input, operation] = found->second;
            CHECK(text(operation.result()) == input);
            pending.erase(found);
        }
    }
    CHECK(queue.take().empty() && !readable(queue, 0));
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 3) {
        return 2;
    }
    const Local local(argv);
    const cape::Connection conn(local.options());
    cape::Queue first, second;
    CHECK(first.descriptor() >= 0 && first.descriptor() != second.descriptor());
    CHECK(!readable(first, 0) && first.take().empty());

    Pending ones, others;
    for (int i = 0; i < 64; i++) {
        start(conn, first, ones, "first " + std::to_string(i));
        start(conn, second, others, "second " + std::to_string(i));
    }
    drain(first, ones, 3);
    CHECK(!others.empty());
    drain(second, others, 1000);

    // A connect ends on a queue as well.
    cape::Operation dialling = cape::Connection::connect_start(local.options(), first);
    CHECK(readable(first, 30000) && first.take() == std::vector<cape_handle>{dialling.handle()});
    CHECK(text(dialling.connection().invoke("x")) == "x");

    // The descriptor moves along, and is closed with its owner.
    const int fd = first.descriptor();
    cape::Queue moved(std::move(first));
    CHECK(moved.descriptor() == fd && first.descriptor() == -1);
    FAILS(CAPE_E_HANDLE, "handle.unknown", first.take());
    start(conn, moved, ones, "moved");
    drain(moved, ones, 1);
    {
        cape::Queue last(std::move(moved));
        last.close();
        last.close();
        FAILS(CAPE_E_HANDLE, "handle.unknown", last.take());
        FAILS(CAPE_E_HANDLE, "handle.unknown", conn.invoke_start("x", last));
        FAILS(CAPE_E_HANDLE, "handle.unknown", cape::Connection::connect_start(local.options(), last));
        CHECK(fcntl(fd, F_GETFD) != -1);
    }
    CHECK(fcntl(fd, F_GETFD) == -1);

    // Operations outlive their queue.
    cape::Operation orphan;
    {
        cape::Queue brief;
        orphan = conn.invoke_start("orphan", brief);
    }
    orphan.wait();
    CHECK(text(orphan.result()) == "orphan");
    CHECK(open_handles("queues") == 1);
    return check_done();
}
