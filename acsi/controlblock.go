package acsi

// The classes of control blocks: what the CDC of a ControlBlockNode is.
const (
	BRCB  = "BRCB"  // buffered report control block
	URCB  = "URCB"  // unbuffered report control block
	LCB   = "LCB"   // log control block
	SGCB  = "SGCB"  // setting group control block; this is its name, too
	GoCB  = "GoCB"  // GOOSE control block
	MSVCB = "MSVCB" // multicast sampled value control block
	USVCB = "USVCB" // unicast sampled value control block
)

// blockFC is the functional constraint of each class of control blocks.
var blockFC = map[string]FC{BRCB: BR, URCB: RP, LCB: LG, SGCB: SP, GoCB: GO, MSVCB: MS, USVCB: US}

// blockAttribute is one attribute of a control block.
type blockAttribute struct {
	name, basic string
	fixed       func(Abilities) bool // whether no service writes it
	without     func(Abilities) bool // whether it is not there; nil: it always is
}

func always(Abilities) bool { return true }
func never(Abilities) bool  { return false }

func fixedDatSet(a Abilities) bool  { return a.FixedDatSet }
func fixedRptID(a Abilities) bool   { return a.FixedRptID }
func fixedOptFlds(a Abilities) bool { return a.FixedOptFlds }
func fixedBufTm(a Abilities) bool   { return a.FixedBufTm }
func fixedTrgOps(a Abilities) bool  { return a.FixedTrgOps }
func fixedIntgPd(a Abilities) bool  { return a.FixedIntgPd }
func fixedLog(a Abilities) bool     { return a.FixedLog }
func noOwner(a Abilities) bool      { return a.NoOwner }
func noResvTms(a Abilities) bool    { return a.NoResvTms }

// blockAttributes are the attributes of each class in the order in which they travel. GOOSE and sampled values are not
// sent: their control blocks are only read.
//
// IEC 61850-8-1, 16.3 (setting groups), 17.2 (reports), 17.3 (logs), 18 (GOOSE); IEC 61850-9-2, 8 (sampled values).
var blockAttributes = map[string][]blockAttribute{
	BRCB: {
		{"RptID", "VisString129", fixedRptID, nil}, {"RptEna", "BOOLEAN", never, nil}, {"DatSet", "ObjRef", fixedDatSet, nil},
		{"ConfRev", "INT32U", always, nil}, {"OptFlds", "OptFlds", fixedOptFlds, nil}, {"BufTm", "INT32U", fixedBufTm, nil},
		{"SqNum", "INT16U", always, nil}, {"TrgOps", "TrgOps", fixedTrgOps, nil}, {"IntgPd", "INT32U", fixedIntgPd, nil},
		{"GI", "BOOLEAN", never, nil}, {"PurgeBuf", "BOOLEAN", never, nil}, {"EntryID", "EntryID", never, nil},
		{"TimeofEntry", "EntryTime", always, nil}, {"ResvTms", "INT16", never, noResvTms}, {"Owner", "Octet64", always, noOwner},
	},
	URCB: {
		{"RptID", "VisString129", fixedRptID, nil}, {"RptEna", "BOOLEAN", never, nil}, {"Resv", "BOOLEAN", never, nil},
		{"DatSet", "ObjRef", fixedDatSet, nil}, {"ConfRev", "INT32U", always, nil}, {"OptFlds", "OptFlds", fixedOptFlds, nil},
		{"BufTm", "INT32U", fixedBufTm, nil}, {"SqNum", "INT8U", always, nil}, {"TrgOps", "TrgOps", fixedTrgOps, nil},
		{"IntgPd", "INT32U", fixedIntgPd, nil}, {"GI", "BOOLEAN", never, nil}, {"Owner", "Octet64", always, noOwner},
	},
	LCB: {
		{"LogEna", "BOOLEAN", never, nil}, {"LogRef", "ObjRef", always, nil}, {"DatSet", "ObjRef", fixedLog, nil},
		{"OldEntrTm", "EntryTime", always, nil}, {"NewEntrTm", "EntryTime", always, nil}, {"OldEntr", "EntryID", always, nil},
		{"NewEntr", "EntryID", always, nil}, {"TrgOps", "TrgOps", fixedLog, nil}, {"IntgPd", "INT32U", fixedLog, nil},
	},
	SGCB: {
		{"NumOfSG", "INT8U", always, nil}, {"ActSG", "INT8U", never, nil}, {"EditSG", "INT8U", never, nil},
		{"CnfEdit", "BOOLEAN", never, nil}, {"LActTm", "Timestamp", always, nil}, {"ResvTms", "INT16U", always, nil},
	},
	GoCB: {
		{"GoEna", "BOOLEAN", always, nil}, {"GoID", "VisString129", always, nil}, {"DatSet", "ObjRef", always, nil},
		{"ConfRev", "INT32U", always, nil}, {"NdsCom", "BOOLEAN", always, nil}, {"DstAddress", "", always, nil},
		{"MinTime", "INT32U", always, nil}, {"MaxTime", "INT32U", always, nil}, {"FixedOffs", "BOOLEAN", always, nil},
	},
	MSVCB: {
		{"SvEna", "BOOLEAN", always, nil}, {"MsvID", "VisString129", always, nil}, {"DatSet", "ObjRef", always, nil},
		{"ConfRev", "INT32U", always, nil}, {"SmpRate", "INT16U", always, nil}, {"OptFlds", "SvOptFlds", always, nil},
		{"SmpMod", "Enum", always, nil}, {"DstAddress", "", always, nil}, {"noASDU", "INT16U", always, nil},
	},
	USVCB: {
		{"SvEna", "BOOLEAN", always, nil}, {"Resv", "BOOLEAN", always, nil}, {"UsvID", "VisString129", always, nil},
		{"DatSet", "ObjRef", always, nil}, {"ConfRev", "INT32U", always, nil}, {"SmpRate", "INT16U", always, nil},
		{"OptFlds", "SvOptFlds", always, nil}, {"SmpMod", "Enum", always, nil}, {"DstAddress", "", always, nil},
		{"noASDU", "INT16U", always, nil},
	},
}

// physicalAddress is the structure of a DstAddress. IEC 61850-8-1, PhyComAddress.
var physicalAddress = []blockAttribute{
	{"Addr", "Octet6", always, nil}, {"PRIORITY", "INT8U", always, nil}, {"VID", "INT16U", always, nil}, {"APPID", "INT16U", always, nil},
}

// sampleMode is what the numbers of SmpMod mean. IEC 61850-7-2, SmpMod.
var sampleMode = enumFrom("SmpMod", 0, "SmpPerPeriod", "SmpPerSec", "SecPerSmp")

// ControlBlock is the node of a control block of a class, with its attributes in the order in which they travel. a says
// which attributes it has, and which of them no service writes. It panics where class is none of those above.
func ControlBlock(class, name string, a Abilities) *Node {
	fc, ok := blockFC[class]
	if !ok {
		panic("acsi: there is no control block of class " + class)
	}
	return &Node{Name: name, Kind: ControlBlockNode, CDC: class, Children: blockNodes(DataAttributeNode, fc, blockAttributes[class], a)}
}

func blockNodes(kind NodeKind, fc FC, attributes []blockAttribute, a Abilities) []*Node {
	nodes := make([]*Node, 0, len(attributes))
	for _, at := range attributes {
		if at.without != nil && at.without(a) {
			continue
		}
		n := &Node{Name: at.name, Kind: kind, FC: fc, Basic: at.basic, Type: basicTypes[at.basic], ReadOnly: at.fixed(a)}
		switch at.name {
		case "DstAddress":
			n.Children = blockNodes(BasicDataAttributeNode, fc, physicalAddress, a)
		case "SmpMod":
			n.Enum = sampleMode
		}
		nodes = append(nodes, n)
	}
	return nodes
}
