package sim

// Counts say how often things happened: what is named here, and the kinds of events that nodes report (engine.EventKind).
type Counts map[string]int

// Add adds the counts of another history.
func (c Counts) Add(other Counts) {
	for what, n := range other {
		c[what] += n
	}
}

// What is counted beside the nodes' events.
const (
	CountWrite        = "write"
	CountNoWrite      = "write without effect"
	CountAcked        = "acknowledged"
	CountAckedEqual   = "acknowledged what was there"
	CountNotAcked     = "not acknowledged"
	CountFrame        = "frame"
	CountFrameLost    = "frame lost"
	CountFrameTwice   = "frame doubled"
	CountOverflow     = "frame lost by a slow node"
	CountGarbage      = "garbage frame"
	CountCut          = "cut"
	CountMute         = "cut in one direction"
	CountCrash        = "crash"
	CountPause        = "pause"
	CountJoin         = "join"
	CountOrderly      = "restart by an operator"
	CountTrapRestart  = "restart for a trap"
	CountExit         = "end of a process for a trap"
	CountSlow         = "slow node"
	CountLost         = "told of a loss"
	CountSetClock     = "clock set"
	CountMergerRun    = "handler run by the merger"
	CountShadowRun    = "handler run by the merger as a shadow"
	CountAbsence      = "absence"
	CountForget       = "forget"
	CountReturn       = "return of a forgotten member"
	CountRetire       = "member gone for good"
	CountFull         = "full repair"
	CountFullRemoved  = "key removed by a full repair"
	CountDelta        = "repair from the log"
	CountAborted      = "repair broken off"
	CountDropInRepair = "table dropped during a repair"
	CountMergerChange = "conflict judged by another merger"
	CountCollected    = "return to nodes that have collected meanwhile"
	CountMatch        = "match"
	CountWatch        = "watch"
	CountChange       = "change seen by a watcher"
	CountRollBack     = "way back to an older handler"
	CountStepBack     = "way back to the handler before"
	CountRemove       = "module removed"
	CountDisable      = "handler disabled by an operator"
	CountModuleLost   = "handler that nobody has any more"
	CountTwin         = "second node of a name"
	CountTwinRefused  = "second node of a name refused"
	CountPurged       = "write dropped by a node that was away when its incarnation was closed"
	CountMadeAgain    = "mutation made again"
	CountReaped       = "deletes ended"
	CountBoth         = "delete seen beside a value"

	CountBase          = "siblings with their base"
	CountBaseForgotten = "siblings whose base is forgotten"
	CountBaseLacking   = "siblings whose base is elsewhere"
	CountBaseUnknown   = "siblings of which nobody knows whether they have a base"
)
