package mmsmap

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/value"
)

func readOf(items ...string) *mms.ConfirmedRequest {
	return &mms.ConfirmedRequest{Service: &mms.ReadRequest{VariableAccessSpecification: listOf(items...)}}
}

func writeOf(v value.Value, items ...string) *mms.ConfirmedRequest {
	return &mms.ConfirmedRequest{Service: &mms.WriteRequest{VariableAccessSpecification: listOf(items...), ListOfData: []value.Value{v}}}
}

func listOf(items ...string) (list mms.ListOfVariable) {
	for _, item := range items {
		list = append(list, variable(mms.DomainSpecific{DomainID: "PV1LD0", ItemID: item}, nil))
	}
	return list
}

func names(class mms.ObjectClass, scope mms.ObjectScope, after string) *mms.ConfirmedRequest {
	return &mms.ConfirmedRequest{Service: &mms.GetNameListRequest{
		ExtendedObjectClass: mms.ExtendedObjectClass{ObjectClass: class}, ObjectScope: scope, ContinueAfter: after}}
}

var commandFailure = &acsi.ControlFailure{Cause: acsi.BlockedByInterlocking, CtlNum: 7, Origin: acsi.Origin{Cat: acsi.OrRemoteControl, Ident: "ems"}}

var dataSet = mms.DomainSpecific{DomainID: "PV1LD0", ItemID: "LLN0$events"}

func level(item, after string) *mms.ConfirmedRequest {
	return &mms.ConfirmedRequest{Service: &mms.ExtendedGetNameListRequest{ObjectScope: mms.ScopeDomain("PV1LD0"), ItemID: item, ContinueAfter: after}}
}

func respond(r mms.ConfirmedServiceResponse) *mms.ConfirmedResponse {
	return &mms.ConfirmedResponse{Service: r}
}

var described = []struct {
	name string
	pdu  mms.PDU
	want string
	fail bool
}{
	{"one measurand", readOf("MMXU1$MX$TotW"), "GetDataValues PV1LD0/MMXU1.TotW[MX]", false},
	{"two values", readOf("MMXU1$MX$TotW", "LLN0$ST$Beh$stVal"), "GetDataValues PV1LD0/MMXU1.TotW[MX], PV1LD0/LLN0.Beh.stVal[ST]", false},
	{"an element of an array", &mms.ConfirmedRequest{Service: &mms.ReadRequest{VariableAccessSpecification: mms.ListOfVariable{
		variable(mms.DomainSpecific{DomainID: "LD", ItemID: "LN1$SP$Crv"}, accessOf("(2).xVal"))}}}, "GetDataValues LD/LN1.Crv(2).xVal[SP]", false},
	{"what is no reference", readOf("not a name"), "GetDataValues PV1LD0/not a name", false},
	{"a data set", &mms.ConfirmedRequest{Service: &mms.ReadRequest{VariableAccessSpecification: mms.VariableListName{Name: mms.AASpecific("mine")}}}, "GetDataSetValues @mine", false},
	{"a buffered report control block", readOf("LLN0$BR$brcb01"), "GetBRCBValues PV1LD0/LLN0.brcb01[BR]", false},
	{"an unbuffered report control block", readOf("LLN0$RP$urcb01$RptEna"), "GetURCBValues PV1LD0/LLN0.urcb01.RptEna[RP]", false},
	{"a setting group control block", readOf("LLN0$SP$SGCB"), "GetSGCBValues PV1LD0/LLN0.SGCB[SP]", false},
	{"a log control block", readOf("LLN0$LG$log"), "GetLCBValues PV1LD0/LLN0.log[LG]", false},
	{"select", readOf("CSWI1$CO$Pos$SBO"), "Select PV1LD0/CSWI1.Pos.SBO[CO]", false},
	{"a control block beside data", readOf("LLN0$BR$brcb01", "LLN0$ST$Beh"), "GetDataValues PV1LD0/LLN0.brcb01[BR], PV1LD0/LLN0.Beh[ST]", false},
	{"nothing", readOf(), "GetDataValues", false},
	{"write", writeOf(value.Float(80), "DGEN1$SP$WMax$setMag$f"), "SetDataValues PV1LD0/DGEN1.WMax.setMag.f[SP] = 80", false},
	{"select with value", writeOf(value.Bool(true), "CSWI1$CO$Pos$SBOw"), "SelectWithValue PV1LD0/CSWI1.Pos.SBOw[CO] = true", false},
	{"operate", writeOf(value.StructureOf(value.Bool(true), value.Uint(1)), "CSWI1$CO$Pos$Oper"), "Operate PV1LD0/CSWI1.Pos.Oper[CO] = {true, 1}", false},
	{"cancel", writeOf(value.Bool(true), "CSWI1$CO$Pos$Cancel"), "Cancel PV1LD0/CSWI1.Pos.Cancel[CO] = true", false},
	{"enable reports", writeOf(value.Bool(true), "LLN0$RP$urcb01$RptEna"), "SetURCBValues PV1LD0/LLN0.urcb01.RptEna[RP] = true", false},
	{"choose a setting group", writeOf(value.Uint(2), "LLN0$SP$SGCB$ActSG"), "SelectActiveSG PV1LD0/LLN0.SGCB.ActSG[SP] = 2", false},
	{"edit a setting", writeOf(value.Int(-2), "PTOC1$SE$StrVal"), "SetEditSGValue PV1LD0/PTOC1.StrVal[SE] = -2", false},
	{"write texts and times", writeOf(value.StructureOf(value.Visible("a\n"), value.Octets([]byte{1, 0xff}), value.UTCOf(time.Unix(0, 5e8), 0)), "A1$DC$b"),
		`SetDataValues PV1LD0/A1.b[DC] = {"a\n", 01ff, 1970-01-01T00:00:00.500Z}`, false},
	{"logical devices", names(mms.ClassDomain, mms.ScopeVMD{}, ""), "GetServerDirectory", false},
	{"logical nodes", names(mms.ClassNamedVariable, mms.ScopeDomain("LD"), "LLN0$ST"), "GetLogicalDeviceDirectory LD, after LLN0$ST", false},
	{"data sets", names(mms.ClassNamedVariableList, mms.ScopeDomain("LD"), ""), "GetLogicalNodeDirectory (data sets) LD", false},
	{"logs", names(mms.ClassJournal, mms.ScopeDomain("LD"), ""), "GetLogicalNodeDirectory (logs) LD", false},
	{"names of no use in ACSI", names(mms.ClassNamedVariable, mms.ScopeAA{}, ""), "GetNameList namedVariable", false},
	{"definition", &mms.ConfirmedRequest{Service: &mms.GetVariableAccessAttributesRequest{Name: mms.DomainSpecific{DomainID: "LD", ItemID: "LLN0"}}}, "GetDataDefinition LD/LLN0", false},

	{"who", &mms.ConfirmedRequest{Service: &mms.IdentifyRequest{}}, "Identify", false},
	{"how", &mms.ConfirmedRequest{Service: &mms.StatusRequest{}}, "Status", false},
	{"how, after a look", &mms.ConfirmedRequest{Service: &mms.StatusRequest{ExtendedDerivation: true}}, "Status with a self test", false},

	{"who it is", respond(&mms.IdentifyResponse{VendorName: "Busbar", ModelName: "PV1", Revision: "1\n"}), `Identify: "Busbar", "PV1", "1\n"`, false},
	{"how it is", respond(&mms.StatusResponse{VMDPhysicalStatus: mms.Inoperable}), "Status: state-changes-allowed, inoperable", false},
	{"a value", respond(&mms.ReadResponse{ListOfAccessResult: []mms.AccessResult{&mms.Success{Value: value.Float(61.4)}}}), "GetDataValues: 61.4", false},
	{"several values", respond(&mms.ReadResponse{ListOfAccessResult: []mms.AccessResult{&mms.Success{Value: value.Int(1)}, &mms.Success{Value: value.Int(2)}}}), "GetDataValues: 1, 2", false},
	{"many values", respond(&mms.ReadResponse{ListOfAccessResult: slices.Repeat([]mms.AccessResult{&mms.Success{Value: value.Int(1)}}, 4)}), "GetDataValues: 4 results", false},
	{"no value", respond(&mms.ReadResponse{ListOfAccessResult: []mms.AccessResult{mms.ObjectNonExistent}}), "GetDataValues: object-non-existent", true},
	{"some values", respond(&mms.ReadResponse{ListOfAccessResult: []mms.AccessResult{mms.ObjectNonExistent, &mms.Success{Value: value.Int(2)}, mms.ObjectNonExistent, mms.HardwareFault}}),
		"GetDataValues: 3 of 4 refused: object-non-existent, hardware-fault", true},
	{"written", respond(&mms.WriteResponse{Results: []mms.WriteResult{mms.WriteSuccess{}}}), "SetDataValues: done", false},
	{"denied", respond(&mms.WriteResponse{Results: []mms.WriteResult{mms.ObjectAccessDenied}}), "SetDataValues: object-access-denied", true},
	{"names", respond(&mms.GetNameListResponse{ListOfIdentifier: []string{"a", "b"}, MoreFollows: true}), "GetDirectory: 2 names, more follow", false},
	{"a type", respond(&mms.GetVariableAccessAttributesResponse{TypeSpecification: &mms.StructureType{Components: []mms.TypeComponent{{ComponentName: "mag"}, {ComponentName: "q"}}}}), "GetDataDefinition: {mag, q}", false},
	{"an array's type", respond(&mms.GetVariableAccessAttributesResponse{TypeSpecification: &mms.ArrayType{NumberOfElements: 3, ElementType: mms.BooleanType{}}}), "GetDataDefinition: array of 3 Boolean", false},
	{"a new data set", &mms.ConfirmedRequest{Service: &mms.DefineNamedVariableListRequest{VariableListName: dataSet, ListOfVariable: listOf("MMXU1$MX$TotW", "LLN0$ST$Beh")}},
		"CreateDataSet PV1LD0/LLN0.events = {PV1LD0/MMXU1.TotW[MX], PV1LD0/LLN0.Beh[ST]}", false},
	{"a large one of the association", &mms.ConfirmedRequest{Service: &mms.DefineNamedVariableListRequest{VariableListName: mms.AASpecific("mine"), ListOfVariable: listOf("a", "b", "c", "d")}},
		"CreateDataSet @mine = {4 members}", false},
	{"a data set made", respond(&mms.DefineNamedVariableListResponse{}), "CreateDataSet: done", false},
	{"members", &mms.ConfirmedRequest{Service: &mms.GetNamedVariableListAttributesRequest{VariableListName: dataSet}}, "GetDataSetDirectory PV1LD0/LLN0.events", false},
	{"the members", respond(&mms.GetNamedVariableListAttributesResponse{ListOfVariable: listOf("MMXU1$MX$TotW")}), "GetDataSetDirectory: PV1LD0/MMXU1.TotW[MX]", false},
	{"delete data sets", &mms.ConfirmedRequest{Service: &mms.DeleteNamedVariableListRequest{ListOfVariableListName: []mms.ObjectName{dataSet, mms.AASpecific("mine")}}},
		"DeleteDataSet PV1LD0/LLN0.events, @mine", false},
	{"delete those of a logical device", &mms.ConfirmedRequest{Service: &mms.DeleteNamedVariableListRequest{ScopeOfDelete: mms.DeleteDomain, DomainName: "PV1LD0"}}, "DeleteDataSet all of PV1LD0", false},
	{"delete those of the association", &mms.ConfirmedRequest{Service: &mms.DeleteNamedVariableListRequest{ScopeOfDelete: mms.DeleteAASpecific}}, "DeleteDataSet all of the association", false},
	{"delete all", &mms.ConfirmedRequest{Service: &mms.DeleteNamedVariableListRequest{ScopeOfDelete: mms.DeleteVMD}}, "DeleteDataSet all", false},
	{"data sets deleted", respond(&mms.DeleteNamedVariableListResponse{NumberMatched: 1, NumberDeleted: 1}), "DeleteDataSet: done", false},
	{"data sets kept", respond(&mms.DeleteNamedVariableListResponse{NumberMatched: 1}), "DeleteDataSet: 0 of 1 deleted", true},
	{"data sets unknown", respond(&mms.DeleteNamedVariableListResponse{}), "DeleteDataSet: there is no such data set", true},

	{"a log by time", &mms.ConfirmedRequest{Service: &mms.ReadJournalRequest{JournalName: mms.DomainSpecific{DomainID: "PV1LD0", ItemID: "LLN0$EventLog"},
		RangeStartSpecification: mms.StartingTime(mms.TimeOfDayOf(time.Unix(1e9, 5e8))), RangeStopSpecification: mms.EndingTime{0, 0, 0, 1}}},
		"QueryLogByTime PV1LD0/LLN0.EventLog, from 2001-09-09T01:46:40.500Z, to 00000001", false},
	{"a log from an entry on", &mms.ConfirmedRequest{Service: &mms.ReadJournalRequest{JournalName: dataSet, RangeStartSpecification: mms.StartingEntry{7}, RangeStopSpecification: mms.NumberOfEntries(10)}},
		"QueryLogByTime PV1LD0/LLN0.events, from entry 07, 10 of them", false},
	{"a log after an entry", &mms.ConfirmedRequest{Service: &mms.ReadJournalRequest{JournalName: dataSet,
		EntryToStartAfter: &mms.EntryToStartAfter{TimeSpecification: mms.TimeOfDayOf(time.Unix(1e9, 0)), EntrySpecification: []byte{7}}}},
		"QueryLogAfter PV1LD0/LLN0.events, after entry 07 of 2001-09-09T01:46:40.000Z", false},
	{"an entry", respond(&mms.ReadJournalResponse{ListOfJournalEntry: make([]mms.JournalEntry, 1), MoreFollows: true}), "QueryLog: 1 entry, more follow", false},
	{"entries", respond(&mms.ReadJournalResponse{}), "QueryLog: 0 entries", false},

	{"open a file", &mms.ConfirmedRequest{Service: &mms.FileOpenRequest{FileName: mms.FileName{"COMTRADE/1.cfg"}}}, "GetFile (open) COMTRADE/1.cfg", false},
	{"open a file further on", &mms.ConfirmedRequest{Service: &mms.FileOpenRequest{FileName: mms.FileName{"COMTRADE", "1.cfg"}, InitialPosition: 7}}, "GetFile (open) COMTRADE/1.cfg, from octet 7", false},
	{"an open file", respond(&mms.FileOpenResponse{FRSMID: 3, FileAttributes: mms.FileAttributes{SizeOfFile: 1}}), "GetFile (open): open file 3, 1 octet", false},
	{"read a file", &mms.ConfirmedRequest{Service: &mms.FileReadRequest{FRSMID: 3}}, "GetFile (read) open file 3", false},
	{"octets of a file", respond(&mms.FileReadResponse{FileData: make([]byte, 7), MoreFollows: true}), "GetFile (read): 7 octets, more follow", false},
	{"close a file", &mms.ConfirmedRequest{Service: &mms.FileCloseRequest{FRSMID: 3}}, "GetFile (close) open file 3", false},
	{"a closed file", respond(&mms.FileCloseResponse{}), "GetFile (close): done", false},
	{"delete a file", &mms.ConfirmedRequest{Service: &mms.FileDeleteRequest{FileName: mms.FileName{"a"}}}, "DeleteFile a", false},
	{"a deleted file", respond(&mms.FileDeleteResponse{}), "DeleteFile: done", false},
	{"files", &mms.ConfirmedRequest{Service: &mms.FileDirectoryRequest{}}, "GetServerDirectory (files)", false},
	{"more files of a folder", &mms.ConfirmedRequest{Service: &mms.FileDirectoryRequest{FileSpecification: mms.FileName{"COMTRADE/"}, ContinueAfter: mms.FileName{"COMTRADE/a"}}},
		"GetServerDirectory (files) COMTRADE/, after COMTRADE/a", false},
	{"one file", &mms.ConfirmedRequest{Service: &mms.FileDirectoryRequest{FileSpecification: mms.FileName{"a"}}}, "GetFileAttributeValues a", false},
	{"the files", respond(&mms.FileDirectoryResponse{ListOfDirectoryEntry: []mms.DirectoryEntry{{FileName: mms.FileName{"a"}}, {FileName: mms.FileName{"b/"}}}, MoreFollows: true}),
		"GetServerDirectory (files): a (0 octets), b/ (0 octets), more follow", false},
	{"many files", respond(&mms.FileDirectoryResponse{ListOfDirectoryEntry: make([]mms.DirectoryEntry, 7)}), "GetServerDirectory (files): 7 files", false},
	{"fetch a file", &mms.ConfirmedRequest{Service: &mms.ObtainFileRequest{SourceFile: mms.FileName{"a"}, DestinationFile: mms.FileName{"in/a"}}}, "SetFile in/a of a", false},
	{"fetch a file of somebody else", &mms.ConfirmedRequest{Service: &mms.ObtainFileRequest{SourceFileServer: &mms.ApplicationReference{}, SourceFile: mms.FileName{"a"}, DestinationFile: mms.FileName{"b"}}},
		"SetFile b of a of another server", false},
	{"a fetched file", respond(&mms.ObtainFileResponse{}), "SetFile: done", false},

	{"a level of names", level("", ""), "GetLogicalDeviceDirectory PV1LD0", false},
	{"a level of a logical node", level("LLN0", "BR"), "GetLogicalNodeDirectory PV1LD0/LLN0, after BR", false},
	{"a level of data", level("LLN0$ST$Beh", ""), "GetDataDirectory PV1LD0/LLN0.Beh[ST]", false},
	{"names of a level", respond(&mms.ExtendedGetNameListResponse{ListOfIdentifier: []string{"a"}}), "GetDirectory: 1 name", false},

	{"no type", respond(&mms.GetVariableAccessAttributesResponse{}), "GetDataDefinition", false},

	{"a report", &mms.Unconfirmed{Service: reportPDU(&acsi.Report{RptID: "urcb", SetSize: 4, Included: []acsi.ReportEntry{{Member: 1, Value: value.Float(61.4)}, {Member: 3}}})},
		"Report urcb: 2 of 4 members: member 2 = 61.4, member 4 = not readable", false},
	{"a report that tells everything", &mms.Unconfirmed{Service: reportPDU(&acsi.Report{RptID: "PV1LD0/LLN0$BR$brcb01", OptFlds: 0x3fe, SeqNum: 42, Time: time.Unix(1e9, 0),
		DataSet: "PV1LD0/LLN0$events", BufOvfl: true, EntryID: acsi.EntryNumber(7), ConfRev: 3, SubSeq: 1, More: true, SetSize: 9,
		Included: []acsi.ReportEntry{{Member: 8, Ref: "PV1LD0/MMXU1$MX$TotW", Value: value.Int(5), Reason: acsi.ReasonDataChange | acsi.ReasonQualityChange}}})},
		"Report PV1LD0/LLN0$BR$brcb01: SqNum 42, segment 1, 2001-09-09T01:46:40.000Z, PV1LD0/LLN0$events, entries were lost, entry 0000000000000007, ConfRev 3, " +
			"1 of 9 members: PV1LD0/MMXU1.TotW[MX] = 5 (dchg,qchg)", false},
	{"a report of many members", &mms.Unconfirmed{Service: reportPDU(&acsi.Report{RptID: "r", OptFlds: acsi.OptReason | acsi.OptSegmentation, SetSize: 4,
		Included: []acsi.ReportEntry{{Member: 0, Reason: acsi.ReasonIntegrity}, {Member: 1, Reason: acsi.ReasonIntegrity}, {Member: 2, Reason: acsi.ReasonIntegrity}, {Member: 3, Reason: acsi.ReasonDataChange}}})},
		"Report r: 4 of 4 members (dchg,integrity)", false},
	{"a report of nothing", &mms.Unconfirmed{Service: reportPDU(&acsi.Report{SetSize: 1})}, "Report: 0 of 1 member", false},
	{"a report that is none", &mms.Unconfirmed{Service: &mms.InformationReport{VariableAccessSpecification: reportList}}, "Report: a report whose parts make no sense", true},
	{"a command done", &mms.Unconfirmed{Service: terminationReport(&acsi.Termination{Ref: acsi.MustRef("LD/CSWI1.Pos.Oper[CO]"), Oper: value.Int(1)})}, "CommandTermination LD/CSWI1.Pos.Oper[CO]: done", false},
	{"a command that ended badly", &mms.Unconfirmed{Service: terminationReport(&acsi.Termination{Ref: acsi.MustRef("LD/CSWI1.Pos.Oper[CO]"), Oper: value.Int(1), Failure: commandFailure})},
		`CommandTermination LD/CSWI1.Pos.Oper[CO]: blocked-by-interlocking (ctlNum 7, remote-control "ems")`, true},
	{"why a command was refused", &mms.Unconfirmed{Service: lastApplError(commandFailure, acsi.MustRef("LD/CSWI1.Pos.Oper[CO]"))},
		`LastApplError LD/CSWI1.Pos.Oper[CO]: blocked-by-interlocking (ctlNum 7, remote-control "ems")`, true},
	{"why a select was refused", &mms.Unconfirmed{Service: lastApplError(&acsi.ControlFailure{Object: "LD/CSWI1$CO$Pos$SBOw", Cause: acsi.PositionReached, CtlNum: 1}, acsi.Ref{})},
		`LastApplError LD/CSWI1.Pos.SBOw[CO]: position-reached (ctlNum 1, not-supported "")`, true},
	{"why something was refused", &mms.Unconfirmed{Service: lastApplError(&acsi.ControlFailure{Object: "somewhere"}, acsi.Ref{})}, `LastApplError somewhere: unknown (ctlNum 0, not-supported "")`, true},
	{"an information report of another kind", &mms.Unconfirmed{Service: &mms.InformationReport{VariableAccessSpecification: listOf("LLN0$ST$Beh"),
		ListOfAccessResult: []mms.AccessResult{&mms.Success{Value: value.Int(1)}}}}, "InformationReport PV1LD0/LLN0.Beh[ST]: 1", false},
	{"a list of another kind", &mms.Unconfirmed{Service: &mms.InformationReport{VariableAccessSpecification: mms.VariableListName{Name: mms.VMDSpecific("x")},
		ListOfAccessResult: []mms.AccessResult{mms.ObjectAccessDenied}}}, "InformationReport x: object-access-denied", true},

	{"service error", &mms.ConfirmedError{ServiceError: mms.ServiceError{ErrorClass: mms.AccessObjectAccessDenied}}, "access: object-access-denied", true},
	{"reject", &mms.Reject{RejectReason: mms.RejectUnrecognizedService}, "Reject: unrecognized-service", true},
	{"give up", &mms.CancelRequest{OriginalInvokeID: 7}, "Cancel of a request invokeID 7", false},
	{"given up", &mms.CancelResponse{OriginalInvokeID: 7}, "Cancel of a request: done", false},
	{"not given up", &mms.CancelError{ServiceError: mms.ServiceError{ErrorClass: mms.CancelCancelNotPossible}}, "Cancel of a request: cancel: cancel-not-possible", true},
	{"associate", &mms.InitiateRequest{LocalDetailCalling: new(int32(65000)), ProposedMaxServOutstandingCalling: 16}, "Associate: PDUs up to 65000 octets, 16 open calls", false},
	{"associated", &mms.InitiateResponse{NegotiatedMaxServOutstandingCalling: 8}, "Associate: PDUs of any size, 8 open calls", false},
	{"not associated", &mms.InitiateError{ServiceError: mms.ServiceError{ErrorClass: mms.InitiateVersionIncompatible}}, "Associate: initiate: version-incompatible", true},
	{"release", &mms.ConcludeRequest{}, "Release", false},
	{"released", &mms.ConcludeResponse{}, "Release: agreed", false},
	{"not released", &mms.ConcludeError{ServiceError: mms.ServiceError{ErrorClass: mms.ConcludeFurtherCommunicationRequired}}, "Release: conclude: further-communication-required", true},
	{"no PDU", nil, "nothing", false},
}

func TestDescribeSaysWhatAPDUMeansInACSI(t *testing.T) {
	for _, tt := range described {
		t.Run(tt.name, func(t *testing.T) {
			m := Describe(tt.pdu)
			if got := m.String(); got != tt.want || m.Failed != tt.fail {
				t.Errorf("got %q, failed %t; want %q, %t", got, m.Failed, tt.want, tt.fail)
			}
		})
	}
}

func TestAnAnswerHasTheServiceOfItsRequest(t *testing.T) {
	denied := Describe(respond(&mms.WriteResponse{Results: []mms.WriteResult{mms.ObjectAccessDenied}}))
	got := denied.AnswerTo(Describe(writeOf(value.Bool(true), "CSWI1$CO$Pos$Oper"))).String()
	if want := "Operate: object-access-denied"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A PDU or service that package mms gains is described here too: what is declared there is in the table above.
func TestDescribeKnowsEveryPDUAndService(t *testing.T) {
	covered := make(map[string]bool)
	for _, tt := range described {
		covered[goName(tt.pdu)] = true
		switch p := tt.pdu.(type) {
		case *mms.ConfirmedRequest:
			covered[goName(p.Service)] = true
		case *mms.Unconfirmed:
			covered[goName(p.Service)] = true
		case *mms.ConfirmedResponse:
			covered[goName(p.Service)] = true
		}
	}
	alternatives := map[string]bool{"pdu": true, "request": true, "response": true, "unconfirmed": true}
	const dir = "../../mms"
	files, err := fs.Glob(os.DirFS(dir), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), dir+"/"+name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv == nil || !alternatives[fn.Name.Name] || strings.HasSuffix(name, "_test.go") {
				continue
			}
			found++
			if star, ok := fn.Recv.List[0].Type.(*ast.StarExpr); ok && !covered[star.X.(*ast.Ident).Name] {
				t.Errorf("*mms.%s is not described: give it words in Describe and a row above", star.X.(*ast.Ident).Name)
			}
		}
	}
	if found < 49 {
		t.Errorf("%d PDUs and services are declared in %s, want 49 or more: the test looks in the wrong place", found, dir)
	}
}

// FuzzDescribe describes whatever a peer sends, in no more words than the PDU gives cause for.
func FuzzDescribe(f *testing.F) {
	for _, tt := range described {
		if octets, err := mms.AppendBER(nil, tt.pdu); err == nil {
			f.Add(octets)
		}
	}
	f.Fuzz(func(t *testing.T, octets []byte) {
		pdu, err := mms.DecodeBER(octets, mms.Limits{})
		if err != nil {
			return
		}
		m := Describe(pdu)
		if n := len(m.String()); m.Service == "" && m.Outcome == "" || n > 500+100*len(octets) {
			t.Errorf("%d octets are described in %d: %v", len(octets), n, m)
		}
	})
}
