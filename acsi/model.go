package acsi

import "busbar.example/value"

// Model is what an IED holds: logical devices and the logical nodes in them. It is immutable once made.
//
// IEC 61850-7-2, 6 and IEC 61850-6, 9.3.
type Model struct {
	IED      string           // the IED's name in its SCL file
	LDs      []*LogicalDevice // in the order of the file; their names differ
	Services Abilities        // what the file says that the IED is able to do
}

// Abilities are the limits of services that the engineering sets. A zero number means that it sets none.
//
// IEC 61850-6, 9.3.2, Services.
type Abilities struct {
	MaxDataSets    int // that services may make, persistent ones
	MaxMembers     int // of a data set that a service makes
	MaxLocalSets   int // of one association
	MaxAttachments int // associations at once

	// What of the attributes of report control blocks services may change. IEC 61850-6, ReportSettings: fixed and by
	// configuration only are both false.
	FixedDatSet, FixedRptID, FixedOptFlds, FixedBufTm, FixedTrgOps, FixedIntgPd bool
	FixedLog                                                                    bool // attributes of log control blocks
	NoOwner                                                                     bool // control blocks have no Owner
	NoResvTms                                                                   bool // buffered ones have no ResvTms
}

// LogicalDevice is one named part of a Model.
type LogicalDevice struct {
	Name        string // as it is called on the wire: ldName, else the IED's name and inst
	Inst        string
	Desc        string
	ActiveGroup int            // the setting group that is active at start, from 1; 0 where there are no setting groups
	Groups      int            // setting groups; 0 where there is no setting group control block
	ResvTms     int            // seconds for which the editing of a setting group is reserved; 0: 60
	LNs         []*LogicalNode // in the order of the file; their names differ
}

// LogicalNode is one instance of a logical node class: its tree, which it may share below the root with others
// of its type, and the values that are its own.
type LogicalNode struct {
	Node   *Node // of kind LogicalNodeNode; Node.Name is prefix, class and instance
	Values []InitialValue

	DataSets []*DataSet       // fixed ones, in the order of the file; their names differ
	Reports  []*ReportControl // each instance by itself, in the order of the file
	LogCtrls []*LogControl
	Logs     []string // their names
}

// ReportControl is a report control block as it is engineered: one instance, of which one client at a time makes use.
// Its attributes are a part of the logical node's tree, of kind ControlBlockNode: its values at start are not among
// the node's initial values.
//
// IEC 61850-6, 9.3.8; IEC 61850-7-2, 17.2.
type ReportControl struct {
	Ref      Ref // LD/LN.Name, with the number of an indexed instance, under BR or RP
	RptID    string
	DataSet  Ref // the zero Ref: none yet
	ConfRev  uint32
	OptFlds  OptFlds
	TrgOps   TrgOps
	BufTm    uint32   // milliseconds
	IntgPd   uint32   // milliseconds
	Reserved []string // the addresses of the clients for which the engineering reserves it: a JID or a host; nil: for none
}

// Buffered reports whether it is a buffered report control block.
func (r *ReportControl) Buffered() bool { return r.Ref.FC() == BR }

// LogControl is a log control block as it is engineered.
//
// IEC 61850-6, 9.3.9; IEC 61850-7-2, 17.3.
type LogControl struct {
	Ref     Ref // LD/LN.Name under LG
	DataSet Ref // the zero Ref: none yet
	Log     Ref // LD/LN.Name of the log
	LogEna  bool
	TrgOps  TrgOps
	IntgPd  uint32 // milliseconds
	Reason  bool   // entries tell the reason
}

// InitialValue is the value that a leaf has when the IED starts.
type InitialValue struct {
	Ref   Ref // of a leaf or of an element of an array, with its functional constraint
	Value value.Value
	Group int // the setting group that it belongs to, from 1; 0 where it belongs to all
}

// LD is the logical device called name, or nil.
func (m *Model) LD(name string) *LogicalDevice {
	for _, ld := range m.LDs {
		if ld.Name == name {
			return ld
		}
	}
	return nil
}

// LN is the logical node called name, or nil.
func (d *LogicalDevice) LN(name string) *LogicalNode {
	for _, ln := range d.LNs {
		if ln.Node.Name == name {
			return ln
		}
	}
	return nil
}
