internal import JSON
internal import Posix

/// How a tool tells the user, the job log and the shell that it failed.
struct ErrorReport {
  let tool: String

  /// Says what went wrong and returns the code to end with, or dies of the signal that stopped us.
  func end(with error: any Error) -> ExitCode {
    switch error {
    case let error as SystemError where error.isBrokenPipe:
      JobLog(tool: tool).failed(128 + StopSignal.brokenPipe, "reader went away")
      StopSignal.die(by: StopSignal.brokenPipe)
    case let error as SystemError where error.isInterrupt:
      let signal = StopSignal.received ?? StopSignal.terminate
      JobLog(tool: tool).failed(128 + signal, "stopped by signal \(signal)")
      StopSignal.die(by: signal)
    case let error as any Diagnosable:
      Message(tool: tool).error(error)
      JobLog(tool: tool).failed(error.exitCode.rawValue, error.message)
      return error.exitCode
    default:
      let failure = Failure(.bug, "\(error)")
      Message(tool: tool).error(failure)
      JobLog(tool: tool).failed(failure.exitCode.rawValue, failure.message)
      return failure.exitCode
    }
  }
}
