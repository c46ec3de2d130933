//! One variant a field, so that extractors are matched exhaustively.

use falco_replay_rules::program::FieldId;

/// A field of the catalogue. Its number is its place in class order, which is also the order of resolution.
#[allow(missing_docs)]
#[rustfmt::skip]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum Field {
    EvtNum, EvtTime, EvtTimeS, EvtTimeIso8601, EvtDatetime, EvtDatetimeS, EvtRawtime, EvtRawtimeS, EvtRawtimeNs,
    EvtReltime, EvtReltimeS, EvtReltimeNs, EvtPluginname, EvtPlugininfo, EvtSource, EvtIsAsync, EvtAsynctype,
    EvtHostname,

    EvtLatency, EvtLatencyS, EvtLatencyNs, EvtLatencyQuantized, EvtLatencyHuman, EvtDeltatime, EvtDeltatimeS,
    EvtDeltatimeNs, EvtOutputtime, EvtDir, EvtType, EvtTypeIs, SyscallType, EvtCategory, EvtCpu, EvtArgs, EvtArg,
    EvtRawarg, EvtInfo, EvtBuffer, EvtBuflen, EvtRes, EvtRawres, EvtFailed, EvtIsIo, EvtIsIoRead, EvtIsIoWrite,
    EvtIoDir, EvtIsWait, EvtWaitLatency, EvtIsSyslog, EvtCount, EvtCountError, EvtCountErrorFile, EvtCountErrorNet,
    EvtCountErrorMemory, EvtCountErrorOther, EvtCountExit, EvtCountProcinfo, EvtCountThreadinfo, EvtAround,
    EvtAbspath, EvtBuflenIn, EvtBuflenOut, EvtBuflenFile, EvtBuflenFileIn, EvtBuflenFileOut, EvtBuflenNet,
    EvtBuflenNetIn, EvtBuflenNetOut, EvtIsOpenRead, EvtIsOpenWrite, EvtInfraDockerName, EvtInfraDockerContainerId,
    EvtInfraDockerContainerName, EvtInfraDockerContainerImage, EvtIsOpenExec, EvtIsOpenCreate,

    ProcExe, ProcPexe, ProcAexe, ProcExepath, ProcPexepath, ProcAexepath, ProcName, ProcPname, ProcAname, ProcArgs,
    ProcAargs, ProcCmdline, ProcPcmdline, ProcAcmdline, ProcCmdnargs, ProcCmdlenargs, ProcExeline, ProcEnv, ProcAenv,
    ProcCwd, ProcLoginshellid, ProcTty, ProcPid, ProcPpid, ProcApid, ProcVpid, ProcPvpid, ProcSid, ProcSname,
    ProcSidExe, ProcSidExepath, ProcVpgid, ProcVpgidName, ProcVpgidExe, ProcVpgidExepath, ProcPgid, ProcPgidName,
    ProcPgidExe, ProcPgidExepath, ProcDuration, ProcPpidDuration, ProcPidTs, ProcPpidTs, ProcIsExeWritable,
    ProcIsExeUpperLayer, ProcIsExeLowerLayer, ProcIsExeFromMemfd, ProcIsSidLeader, ProcIsVpgidLeader,
    ProcIsPgidLeader, ProcExeIno, ProcExeInoCtime, ProcExeInoMtime, ProcExeInoCtimeDurationProcStart,
    ProcExeInoCtimeDurationPidnsStart, ProcPidnsInitStartTs, ThreadCapPermitted, ThreadCapInheritable,
    ThreadCapEffective, ProcFdopencount, ProcFdlimit, ProcFdusage, ProcVmsize, ProcVmrss, ProcVmswap, ThreadPfmajor,
    ThreadPfminor, ThreadTid, ThreadIsmain, ThreadVtid, ThreadNametid, ThreadExectime, ThreadTotexectime,
    ThreadCgroups, ThreadCgroup, ProcNthreads, ProcNchilds, ThreadCpu, ThreadCpuUser, ThreadCpuSystem, ThreadVmsize,
    ThreadVmrss, ThreadVmsizeB, ThreadVmrssB, ProcStdinType, ProcStdoutType, ProcStderrType, ProcStdinName,
    ProcStdoutName, ProcStderrName,

    UserUid, UserName, UserHomedir, UserShell, UserLoginuid, UserLoginname,

    GroupGid, GroupName,

    FdNum, FdType, FdTypechar, FdName, FdDirectory, FdFilename, FdIp, FdCip, FdSip, FdLip, FdRip, FdPort, FdCport,
    FdSport, FdLport, FdRport, FdL4proto, FdSockfamily, FdIsServer, FdUid, FdContainername, FdContainerdirectory,
    FdProto, FdCproto, FdSproto, FdLproto, FdRproto, FdNet, FdCnet, FdSnet, FdLnet, FdRnet, FdConnected,
    FdNameChanged, FdCipName, FdSipName, FdLipName, FdRipName, FdDev, FdDevMajor, FdDevMinor, FdIno, FdNameraw,
    FdTypes, FdIsUpperLayer, FdIsLowerLayer,

    FsPathName, FsPathNameraw, FsPathSource, FsPathSourceraw, FsPathTarget, FsPathTargetraw,

    UtilCnt,

    FdlistNums, FdlistNames, FdlistCips, FdlistSips, FdlistCports, FdlistSports,

    ContainerId, ContainerFullId, ContainerName, ContainerImage, ContainerImageId, ContainerType, ContainerPrivileged,
    ContainerMounts, ContainerMount, ContainerMountSource, ContainerMountDest, ContainerMountMode, ContainerMountRdwr,
    ContainerMountPropagation, ContainerImageRepository, ContainerImageTag, ContainerImageDigest,
    ContainerHealthcheck, ContainerLivenessProbe, ContainerReadinessProbe, ContainerStartTs, ContainerDuration,
    ContainerIp, ContainerCniJson, ContainerHostPid, ContainerHostNetwork, ContainerHostIpc, ContainerLabel,
    ContainerLabels, ProcIsContainerHealthcheck, ProcIsContainerLivenessProbe, ProcIsContainerReadinessProbe,
    K8sPodName, K8sNsName, K8sPodId, K8sPodUid, K8sPodSandboxId, K8sPodFullSandboxId, K8sPodLabel, K8sPodLabels,
    K8sPodIp, K8sPodCniJson, K8sRcName, K8sRcId, K8sRcLabel, K8sRcLabels, K8sSvcName, K8sSvcId, K8sSvcLabel,
    K8sSvcLabels, K8sNsId, K8sNsLabel, K8sNsLabels, K8sRsName, K8sRsId, K8sRsLabel, K8sRsLabels, K8sDeploymentName,
    K8sDeploymentId, K8sDeploymentLabel, K8sDeploymentLabels,
}

impl Field {
    /// Number of fields; static fields take the numbers from here on.
    pub const COUNT: usize = 294;

    /// Every field in order.
    #[rustfmt::skip]
    pub const ALL: [Self; Self::COUNT] = [
        Self::EvtNum, Self::EvtTime, Self::EvtTimeS, Self::EvtTimeIso8601, Self::EvtDatetime, Self::EvtDatetimeS,
        Self::EvtRawtime, Self::EvtRawtimeS, Self::EvtRawtimeNs, Self::EvtReltime, Self::EvtReltimeS,
        Self::EvtReltimeNs, Self::EvtPluginname, Self::EvtPlugininfo, Self::EvtSource, Self::EvtIsAsync,
        Self::EvtAsynctype, Self::EvtHostname, Self::EvtLatency, Self::EvtLatencyS, Self::EvtLatencyNs,
        Self::EvtLatencyQuantized, Self::EvtLatencyHuman, Self::EvtDeltatime, Self::EvtDeltatimeS,
        Self::EvtDeltatimeNs, Self::EvtOutputtime, Self::EvtDir, Self::EvtType, Self::EvtTypeIs, Self::SyscallType,
        Self::EvtCategory, Self::EvtCpu, Self::EvtArgs, Self::EvtArg, Self::EvtRawarg, Self::EvtInfo, Self::EvtBuffer,
        Self::EvtBuflen, Self::EvtRes, Self::EvtRawres, Self::EvtFailed, Self::EvtIsIo, Self::EvtIsIoRead,
        Self::EvtIsIoWrite, Self::EvtIoDir, Self::EvtIsWait, Self::EvtWaitLatency, Self::EvtIsSyslog, Self::EvtCount,
        Self::EvtCountError, Self::EvtCountErrorFile, Self::EvtCountErrorNet, Self::EvtCountErrorMemory,
        Self::EvtCountErrorOther, Self::EvtCountExit, Self::EvtCountProcinfo, Self::EvtCountThreadinfo,
        Self::EvtAround, Self::EvtAbspath, Self::EvtBuflenIn, Self::EvtBuflenOut, Self::EvtBuflenFile,
        Self::EvtBuflenFileIn, Self::EvtBuflenFileOut, Self::EvtBuflenNet, Self::EvtBuflenNetIn,
        Self::EvtBuflenNetOut, Self::EvtIsOpenRead, Self::EvtIsOpenWrite, Self::EvtInfraDockerName,
        Self::EvtInfraDockerContainerId, Self::EvtInfraDockerContainerName, Self::EvtInfraDockerContainerImage,
        Self::EvtIsOpenExec, Self::EvtIsOpenCreate, Self::ProcExe, Self::ProcPexe, Self::ProcAexe, Self::ProcExepath,
        Self::ProcPexepath, Self::ProcAexepath, Self::ProcName, Self::ProcPname, Self::ProcAname, Self::ProcArgs,
        Self::ProcAargs, Self::ProcCmdline, Self::ProcPcmdline, Self::ProcAcmdline, Self::ProcCmdnargs,
        Self::ProcCmdlenargs, Self::ProcExeline, Self::ProcEnv, Self::ProcAenv, Self::ProcCwd, Self::ProcLoginshellid,
        Self::ProcTty, Self::ProcPid, Self::ProcPpid, Self::ProcApid, Self::ProcVpid, Self::ProcPvpid, Self::ProcSid,
        Self::ProcSname, Self::ProcSidExe, Self::ProcSidExepath, Self::ProcVpgid, Self::ProcVpgidName,
        Self::ProcVpgidExe, Self::ProcVpgidExepath, Self::ProcPgid, Self::ProcPgidName, Self::ProcPgidExe,
        Self::ProcPgidExepath, Self::ProcDuration, Self::ProcPpidDuration, Self::ProcPidTs, Self::ProcPpidTs,
        Self::ProcIsExeWritable, Self::ProcIsExeUpperLayer, Self::ProcIsExeLowerLayer, Self::ProcIsExeFromMemfd,
        Self::ProcIsSidLeader, Self::ProcIsVpgidLeader, Self::ProcIsPgidLeader, Self::ProcExeIno,
        Self::ProcExeInoCtime, Self::ProcExeInoMtime, Self::ProcExeInoCtimeDurationProcStart,
        Self::ProcExeInoCtimeDurationPidnsStart, Self::ProcPidnsInitStartTs, Self::ThreadCapPermitted,
        Self::ThreadCapInheritable, Self::ThreadCapEffective, Self::ProcFdopencount, Self::ProcFdlimit,
        Self::ProcFdusage, Self::ProcVmsize, Self::ProcVmrss, Self::ProcVmswap, Self::ThreadPfmajor,
        Self::ThreadPfminor, Self::ThreadTid, Self::ThreadIsmain, Self::ThreadVtid, Self::ThreadNametid,
        Self::ThreadExectime, Self::ThreadTotexectime, Self::ThreadCgroups, Self::ThreadCgroup, Self::ProcNthreads,
        Self::ProcNchilds, Self::ThreadCpu, Self::ThreadCpuUser, Self::ThreadCpuSystem, Self::ThreadVmsize,
        Self::ThreadVmrss, Self::ThreadVmsizeB, Self::ThreadVmrssB, Self::ProcStdinType, Self::ProcStdoutType,
        Self::ProcStderrType, Self::ProcStdinName, Self::ProcStdoutName, Self::ProcStderrName, Self::UserUid,
        Self::UserName, Self::UserHomedir, Self::UserShell, Self::UserLoginuid, Self::UserLoginname, Self::GroupGid,
        Self::GroupName, Self::FdNum, Self::FdType, Self::FdTypechar, Self::FdName, Self::FdDirectory,
        Self::FdFilename, Self::FdIp, Self::FdCip, Self::FdSip, Self::FdLip, Self::FdRip, Self::FdPort, Self::FdCport,
        Self::FdSport, Self::FdLport, Self::FdRport, Self::FdL4proto, Self::FdSockfamily, Self::FdIsServer,
        Self::FdUid, Self::FdContainername, Self::FdContainerdirectory, Self::FdProto, Self::FdCproto, Self::FdSproto,
        Self::FdLproto, Self::FdRproto, Self::FdNet, Self::FdCnet, Self::FdSnet, Self::FdLnet, Self::FdRnet,
        Self::FdConnected, Self::FdNameChanged, Self::FdCipName, Self::FdSipName, Self::FdLipName, Self::FdRipName,
        Self::FdDev, Self::FdDevMajor, Self::FdDevMinor, Self::FdIno, Self::FdNameraw, Self::FdTypes,
        Self::FdIsUpperLayer, Self::FdIsLowerLayer, Self::FsPathName, Self::FsPathNameraw, Self::FsPathSource,
        Self::FsPathSourceraw, Self::FsPathTarget, Self::FsPathTargetraw, Self::UtilCnt, Self::FdlistNums,
        Self::FdlistNames, Self::FdlistCips, Self::FdlistSips, Self::FdlistCports, Self::FdlistSports,
        Self::ContainerId, Self::ContainerFullId, Self::ContainerName, Self::ContainerImage, Self::ContainerImageId,
        Self::ContainerType, Self::ContainerPrivileged, Self::ContainerMounts, Self::ContainerMount,
        Self::ContainerMountSource, Self::ContainerMountDest, Self::ContainerMountMode, Self::ContainerMountRdwr,
        Self::ContainerMountPropagation, Self::ContainerImageRepository, Self::ContainerImageTag,
        Self::ContainerImageDigest, Self::ContainerHealthcheck, Self::ContainerLivenessProbe,
        Self::ContainerReadinessProbe, Self::ContainerStartTs, Self::ContainerDuration, Self::ContainerIp,
        Self::ContainerCniJson, Self::ContainerHostPid, Self::ContainerHostNetwork, Self::ContainerHostIpc,
        Self::ContainerLabel, Self::ContainerLabels, Self::ProcIsContainerHealthcheck,
        Self::ProcIsContainerLivenessProbe, Self::ProcIsContainerReadinessProbe, Self::K8sPodName, Self::K8sNsName,
        Self::K8sPodId, Self::K8sPodUid, Self::K8sPodSandboxId, Self::K8sPodFullSandboxId, Self::K8sPodLabel,
        Self::K8sPodLabels, Self::K8sPodIp, Self::K8sPodCniJson, Self::K8sRcName, Self::K8sRcId, Self::K8sRcLabel,
        Self::K8sRcLabels, Self::K8sSvcName, Self::K8sSvcId, Self::K8sSvcLabel, Self::K8sSvcLabels, Self::K8sNsId,
        Self::K8sNsLabel, Self::K8sNsLabels, Self::K8sRsName, Self::K8sRsId, Self::K8sRsLabel, Self::K8sRsLabels,
        Self::K8sDeploymentName, Self::K8sDeploymentId, Self::K8sDeploymentLabel, Self::K8sDeploymentLabels,
    ];

    /// The number by which compiled programs name the field.
    #[inline]
    pub const fn id(self) -> FieldId {
        FieldId(self as u16)
    }

    /// The field with this number; `None` for a static field.
    #[inline]
    pub fn from_id(id: FieldId) -> Option<Self> {
        Self::ALL.get(usize::from(id.0)).copied()
    }
}
