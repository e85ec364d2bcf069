internal import CPosix
internal import Glibc

/// A thread of this process; SIGINT, SIGTERM and SIGHUP stay with the main one.
@safe
public struct Thread: ~Copyable {
  private final class Body {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  private let handle: pthread_t

  /// Starts `run` on a new thread.
  ///
  /// The corresponding C function is `pthread_create`.
  public init(_ run: @escaping @Sendable () -> Void) throws(SystemError) {
    let body = unsafe Unmanaged.passRetained(Body(run))
    var handle = pthread_t()
    let result = unsafe cposix_thread_start(
      &handle,
      { argument in
        guard let argument = unsafe argument else { return nil }
        unsafe Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, body.toOpaque())
    if result < 0 {
      unsafe body.release()
      throw SystemError(-result, "could not start a thread")
    }
    self.handle = handle
  }

  /// Waits until it has ended.
  public consuming func join() { _ = pthread_join(handle, nil) }
}

/// Threads started together and waited for together.
public struct ThreadGroup: ~Copyable {
  private var handles: [pthread_t] = []

  public init() {}

  public mutating func start(_ run: @escaping @Sendable () -> Void) throws(SystemError) {
    handles.append(try Thread(run).release())
  }

  /// Waits until all have ended.
  public mutating func join() {
    for handle in handles { _ = pthread_join(handle, nil) }
    handles = []
  }

  /// Forgets them as they run, for when the process is about to end and one may take long.
  public mutating func abandon() { handles = [] }

  deinit { precondition(handles.isEmpty, "a thread group was dropped before it was joined") }
}

extension Thread {
  fileprivate consuming func release() -> pthread_t { handle }
}

/// A lock, a condition, and the state they guard.
///
/// A class, because the threads that share it share its identity.
@safe
public final class Monitor<State>: @unchecked Sendable {
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>
  private var state: State

  public init(_ state: State) {
    self.state = state
    unsafe mutex = .allocate(capacity: 1)
    unsafe condition = .allocate(capacity: 1)
    unsafe pthread_mutex_init(mutex, nil)
    unsafe pthread_cond_init(condition, nil)
  }

  deinit {
    unsafe pthread_cond_destroy(condition)
    unsafe pthread_mutex_destroy(mutex)
    unsafe condition.deallocate()
    unsafe mutex.deallocate()
  }

  /// Changes the state, alone, and wakes who waits.
  public func update<T: ~Copyable, E: Error>(_ body: (inout State) throws(E) -> T) throws(E) -> T {
    unsafe pthread_mutex_lock(mutex)
    defer {
      unsafe pthread_cond_broadcast(condition)
      unsafe pthread_mutex_unlock(mutex)
    }
    return try body(&state)
  }

  /// Reads the state, and wakes nobody.
  public func read<T>(_ body: (State) -> T) -> T {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    return body(state)
  }

  /// Waits until `body` returns a value.
  ///
  /// It is called again after each change, and a few times a second, so that it may look whether
  /// a stop signal came in.
  public func wait<T>(_ body: (inout State) -> T?) -> T {
    unsafe pthread_mutex_lock(mutex)
    defer {
      unsafe pthread_cond_broadcast(condition)
      unsafe pthread_mutex_unlock(mutex)
    }
    while true {
      if let value = body(&state) { return value }
      waitAWhile()
    }
  }

  private func waitAWhile() {
    var until = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &until)
    until.tv_nsec += 200_000_000
    if until.tv_nsec >= 1_000_000_000 {
      until.tv_sec += 1
      until.tv_nsec -= 1_000_000_000
    }
    _ = unsafe pthread_cond_timedwait(condition, mutex, &until)
  }
}
