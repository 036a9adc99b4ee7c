package scl

import "slices"

// Severity tells how bad a finding is.
type Severity uint8

// The severities.
const (
	SeverityInfo    Severity = iota // worth to know: nothing is wrong
	SeverityWarning                 // served, though the standard, or most likely the engineer, wants it otherwise
	SeverityError                   // something that the file says is not served
)

// String is info, warning or error.
func (s Severity) String() string { return [...]string{"info", "warning", "error"}[s] }

// Rule is one thing that files are checked for. Its ID does not change once it has been published.
type Rule struct {
	ID       string
	Severity Severity
	Means    string // what was found
	Hint     string // what to do about it
}

// Rules lists all rules, by their part of a file.
func Rules() []Rule { return slices.Clone(rules[:]) }

type rule uint8

const (
	ruleUnreadable rule = iota
	ruleNotSCL
	ruleMalformed
	ruleDoctype
	ruleLimit
	ruleEncoding
	ruleNamespace
	ruleVersion
	ruleForeign
	rulePrivate
	ruleNoServer
	ruleNoSuchIED
	ruleIEDTwice
	ruleIEDEmpty
	ruleServerAt
	ruleAddressOfNone
	ruleJID
	ruleJIDTwice
	ruleJIDResource
	ruleHostTwice
	ruleFrame
	ruleLNodeIED
	ruleLNode
	rulePartTwice
	ruleInputIED
	ruleInputSource

	ruleLDName
	ruleLDTwice
	ruleLLN0
	ruleLPHD
	ruleLNName
	ruleLNInst
	ruleLNTwice
	ruleLNType
	ruleLNClass
	ruleLNUnknown
	ruleLNMandatory
	ruleLongItem
	ruleLongRef
	ruleTooLarge

	ruleTypeTwice
	ruleTypeMissing
	ruleTypeEmpty
	ruleTypeRecursive
	ruleTypeUnused
	ruleMemberName
	ruleMemberTwice
	ruleFC
	ruleBasicType
	ruleArrayLength
	ruleEnumMissing
	ruleEnumOrd
	ruleEnumTwice
	ruleCDCUnknown
	ruleCDCMandatory
	ruleCDCConstraint
	ruleCDCType

	ruleValueTarget
	ruleValueIndex
	ruleValueForm
	ruleValueGroup
	ruleSettingControl

	ruleDataSetName
	ruleDataSetEmpty
	ruleMember
	ruleBlockName
	ruleBlockTwice
	ruleLongName
	ruleBlockValue
	ruleBlockDataSet
	ruleReportInstances
	ruleReportClients
	ruleReportClient
	ruleReportID
	ruleReportPeriod
	ruleLogMissing

	numRules
)

// rules is the one place where a rule is described; docs/scl.md shows it.
var rules = [numRules]Rule{
	ruleUnreadable:    {"scl.file.unreadable", SeverityError, "the file cannot be opened or read to its end", "check the path and its permissions"},
	ruleNotSCL:        {"scl.file.kind", SeverityError, "the top element is no `SCL` of IEC 61850-6", "give an ICD, CID, IID or SCD file"},
	ruleMalformed:     {"scl.xml.malformed", SeverityError, "the text is not well-formed XML, or cut off", "export the file again, or correct that line"},
	ruleDoctype:       {"scl.xml.doctype", SeverityError, "the file has a document type declaration: entities could make it grow without end", "remove the DOCTYPE and its entities"},
	ruleLimit:         {"scl.xml.limit", SeverityError, "the file is larger, deeper or has longer texts than is read", "take a smaller extract, such as the CID of one IED"},
	ruleEncoding:      {"scl.xml.encoding", SeverityWarning, "the text is not the UTF-8 that SCL asks for; it was read as what it most likely is", "save the file as UTF-8"},
	ruleNamespace:     {"scl.xml.namespace", SeverityWarning, "the top element is in no namespace, or in one of a draft", "write xmlns=\"" + namespace + "\" in the SCL element"},
	ruleVersion:       {"scl.file.version", SeverityWarning, "version, revision and release make no edition that is known; it was read as the newest", "correct version, revision and release of the SCL element"},
	ruleForeign:       {"scl.file.foreign", SeverityInfo, "elements of another namespace stand outside of Private; they were passed over", ""},
	rulePrivate:       {"scl.file.private", SeverityInfo, "Private elements: their content is not used, and kept in extracts", ""},
	ruleNoServer:      {"scl.file.no-server", SeverityError, "no IED in the file has a Server, so there is nothing to serve", "give an ICD, CID, IID or SCD file with the model of an IED"},
	ruleNoSuchIED:     {"scl.ied.none", SeverityError, "the IED or access point that was asked for is not there, or has no Server", "choose one that the message lists"},
	ruleIEDTwice:      {"scl.ied.duplicate", SeverityError, "two IEDs, or two access points of one, have the same name; the later one is left out", "rename one of them"},
	ruleIEDEmpty:      {"scl.ied.empty", SeverityError, "an IED's Server has no logical device that can be served", "check that the file is complete"},
	ruleServerAt:      {"scl.ap.server-at", SeverityError, "ServerAt names an access point that has no Server", "correct apName of ServerAt"},
	ruleAddressOfNone: {"scl.comm.access-point", SeverityWarning, "a ConnectedAP names an IED or access point that the file does not have", "correct iedName and apName, or remove the ConnectedAP"},
	ruleJID:           {"scl.comm.jid", SeverityError, "an address by IEC 61850-8-2 is no JID", "write localpart@domain/IEC"},
	ruleJIDTwice:      {"scl.comm.jid-duplicate", SeverityError, "two access points have one JID", "give each IED an account of its own"},
	ruleJIDResource:   {"scl.comm.jid-resource", SeverityWarning, "a JID does not end with the resource IEC, under which IEDs are looked for", "write localpart@domain/IEC"},
	ruleHostTwice:     {"scl.comm.ip-duplicate", SeverityWarning, "two IEDs in one SubNetwork have one IP address", "give each an address of its own"},
	ruleFrame:         {"scl.comm.control-block", SeverityWarning, "a GSE or SMV names a control block that its access point does not have", "correct ldInst and cbName, or remove it"},
	ruleLNodeIED:      {"scl.process.ied", SeverityInfo, "an LNode of a Substation, Line or Process names an IED that the file does not have: in an extract that is as it should be", "add the IED where the file is of a whole system, or write iedName=\"None\" where there is none yet"},
	ruleLNode:         {"scl.process.lnode", SeverityWarning, "an LNode of a Substation, Line or Process names a logical node that its IED does not have", "correct the LNode"},
	rulePartTwice:     {"scl.process.duplicate", SeverityWarning, "two parts of one Substation, Line, Process or part of these have one name: paths to them are ambiguous", "rename one of them"},
	ruleInputIED:      {"scl.input.ied", SeverityInfo, "an ExtRef takes from an IED that the file does not have: in an ICD or CID that is as it should be", "add the IED where the file is of a whole system"},
	ruleInputSource:   {"scl.input.source", SeverityWarning, "an ExtRef names a logical node, data or control block that its IED does not have", "correct the ExtRef"},

	ruleLDName:      {"scl.ld.name", SeverityError, "a logical device's name, made of ldName or of IED name and inst, cannot be a name; it is left out", "use letters, digits and _, at most 64 characters"},
	ruleLDTwice:     {"scl.ld.duplicate", SeverityError, "two logical devices of an IED have one name; the later one is left out", "correct inst or ldName"},
	ruleLLN0:        {"scl.ld.lln0", SeverityWarning, "a logical device has no LN0, or one that is not of class LLN0", "give it an LN0 of lnClass LLN0"},
	ruleLPHD:        {"scl.ld.lphd", SeverityInfo, "no logical device of the IED has a logical node LPHD for the physical device", "give one of them an LN of lnClass LPHD"},
	ruleLNName:      {"scl.ln.name", SeverityError, "a logical node's name, made of prefix, lnClass and inst, cannot be a name; it is left out", "use letters, digits and _"},
	ruleLNInst:      {"scl.ln.inst", SeverityWarning, "inst of an LN has not 1 to 12 digits, or a prefix is longer than 11 characters or starts with a digit", "correct prefix and inst"},
	ruleLNTwice:     {"scl.ln.duplicate", SeverityError, "two logical nodes of a device have one name; the later one is left out", "correct prefix or inst"},
	ruleLNType:      {"scl.ln.type", SeverityError, "the LNodeType of a logical node is not in the file; the node is left out", "add the LNodeType, or correct lnType"},
	ruleLNClass:     {"scl.ln.class", SeverityWarning, "lnClass is no name of four capital letters, or differs from that of the LNodeType", "correct lnClass"},
	ruleLNUnknown:   {"scl.ln.class-unknown", SeverityInfo, "lnClass is none of IEC 61850-7-4, -7-410 or -7-420 that is known here", "check its spelling; a class of one's own names its lnNs in NamPlt"},
	ruleLNMandatory: {"scl.ln.mandatory", SeverityWarning, "an LNodeType lacks a data object that IEC 61850-7-4 makes mandatory", "add the data object"},
	ruleLongItem:    {"scl.name.item-length", SeverityWarning, "a name joined for MMS is longer than 64 characters: some clients will not read it", "shorten prefix, data object or attribute names"},
	ruleLongRef:     {"scl.name.reference-length", SeverityError, "an object reference would be longer than 129 characters; the logical node is left out", "shorten the names in it"},
	ruleTooLarge:    {"scl.model.limit", SeverityError, "the model, an EnumType or all servers together would have more than is served: a count is wrong, or types fan out", "correct the count, or split the IED"},

	ruleTypeTwice:     {"scl.type.duplicate", SeverityError, "two types of one kind have the same id; the later one is left out", "rename or remove one of them"},
	ruleTypeMissing:   {"scl.type.missing", SeverityError, "the DOType or DAType of a member is not in the file; the member is left out", "add the type, or correct the reference to it"},
	ruleTypeEmpty:     {"scl.type.empty", SeverityError, "the type of a member holds nothing that can be served; the member is left out", "complete the type, or remove the member"},
	ruleTypeRecursive: {"scl.type.recursive", SeverityError, "a type contains itself, directly or through others; the member that closes the circle is left out", "remove that member, or give it another type"},
	ruleTypeUnused:    {"scl.type.unused", SeverityInfo, "no logical node uses a type, directly or through others", "remove it, or look for an lnType or type that should name it"},
	ruleMemberName:    {"scl.member.name", SeverityError, "a DO, SDO, DA or BDA has a name that cannot be one; it is left out", "use letters, digits and _, at most 64 characters"},
	ruleMemberTwice:   {"scl.member.duplicate", SeverityError, "a type has two members of one name; the later one is left out", "rename or remove one of them"},
	ruleFC:            {"scl.member.fc", SeverityError, "fc of a DA is missing or no functional constraint; the attribute is left out", "write one of ST, MX, SP, SV, CF, DC, SG, SE, SR, OR, BL, EX, CO"},
	ruleBasicType:     {"scl.member.btype", SeverityError, "bType is missing or not known; the attribute is left out", "correct bType"},
	ruleArrayLength:   {"scl.member.count", SeverityError, "count is neither a number nor an attribute beside it that has one; the array is left out", "write the number of elements"},
	ruleEnumMissing:   {"scl.enum.missing", SeverityWarning, "the EnumType of an attribute is not in the file; any number is taken", "add the EnumType, or correct the reference to it"},
	ruleEnumOrd:       {"scl.enum.ord", SeverityError, "ord of an EnumVal is no number; the value is left out", "correct ord"},
	ruleEnumTwice:     {"scl.enum.duplicate", SeverityWarning, "an EnumType has a number or a name twice", "remove one of them"},
	ruleCDCUnknown:    {"scl.cdc.unknown", SeverityInfo, "cdc is no common data class of IEC 61850-7-3 that is known here", "check its spelling; a class of one's own names its cdcNs"},
	ruleCDCMandatory:  {"scl.cdc.mandatory", SeverityWarning, "a DOType lacks an attribute that IEC 61850-7-3 makes mandatory in its class", "add the attribute"},
	ruleCDCConstraint: {"scl.cdc.fc", SeverityWarning, "an attribute has another functional constraint than its class gives it", "correct fc, or rename the attribute"},
	ruleCDCType:       {"scl.cdc.btype", SeverityWarning, "an attribute has another basic type than its class gives it: clients will misread it", "correct bType"},

	ruleValueTarget:    {"scl.value.target", SeverityWarning, "a DOI, SDI or DAI matches nothing in the type; its values are left out", "correct the name, or complete the type"},
	ruleValueIndex:     {"scl.value.index", SeverityWarning, "a value names no element of the array that it is for, or an element of what is no array; it is left out", "correct ix"},
	ruleValueForm:      {"scl.value.form", SeverityError, "a Val is no value of its attribute's type, range or enumeration; it is left out", "correct the value"},
	ruleValueGroup:     {"scl.value.group", SeverityWarning, "sGroup of a Val is no setting group of its logical device, or stands at what is no setting", "correct sGroup, or numOfSGs of SettingControl"},
	ruleSettingControl: {"scl.setting-control", SeverityWarning, "a SettingControl is outside of LN0, or its actSG is not among its numOfSGs; group 1 is active", "correct SettingControl"},

	ruleDataSetName:     {"scl.dataset.name", SeverityError, "a DataSet's name cannot be one, or two of a logical node have it; it, or the later one, is left out", "rename the DataSet"},
	ruleDataSetEmpty:    {"scl.dataset.empty", SeverityWarning, "a DataSet has no member that there is; it is left out", "add members, or remove it"},
	ruleMember:          {"scl.dataset.member", SeverityError, "a member of a DataSet points at nothing in the model; it is left out", "correct the FCDA"},
	ruleBlockName:       {"scl.control.name", SeverityError, "the name of a control block or Log cannot be one; it is left out", "use letters, digits and _, at most 32 characters"},
	ruleBlockTwice:      {"scl.control.duplicate", SeverityError, "two control blocks of one kind in a logical node have the same name; the later one is left out", "rename one of them"},
	ruleLongName:        {"scl.control.name-length", SeverityWarning, "the name of a DataSet or control block is longer than 32 characters: some clients will not read it", "shorten it"},
	ruleBlockValue:      {"scl.control.value", SeverityError, "an attribute of a control block is no number, text or word that it can be; it is left out", "correct the attribute"},
	ruleBlockDataSet:    {"scl.control.dataset", SeverityError, "datSet of a control block names no DataSet of its logical node; it has none", "correct datSet, or add the DataSet"},
	ruleReportInstances: {"scl.report.instances", SeverityWarning, "max of RptEnabled is no number from 1 to 99, or above 1 without an index; as many as can be are served", "correct max or indexed"},
	ruleReportClients:   {"scl.report.clients", SeverityWarning, "a ReportControl is reserved for more clients than it has instances", "raise max of RptEnabled, or remove a ClientLN"},
	ruleReportClient:    {"scl.report.client-address", SeverityWarning, "a ClientLN names an access point of which the file has no address; the instance is reserved for nobody", "add a ConnectedAP with a JID, or correct iedName and apRef"},
	ruleReportID:        {"scl.report.id", SeverityWarning, "two ReportControls of an IED have the same rptID: clients may take one for the other", "give each an rptID of its own, or none"},
	ruleReportPeriod:    {"scl.report.period", SeverityInfo, "intgPd is given, and TrgOps does not allow periodic reports", "set period in TrgOps, or remove intgPd"},
	ruleLogMissing:      {"scl.log.missing", SeverityWarning, "logName of a LogControl names no Log of its logical node; there is one all the same, in its own logical node where there is no such one", "add the Log, or correct logName"},
}
