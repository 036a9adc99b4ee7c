package acsi

import (
	"context"
	"io"
	"strings"
	"time"

	"busbar.example/value"
)

// Services is what one associated peer may ask of an IED. It is implemented by the IED engine, per
// Subject, and by the client side of each mapping; whoever calls cannot tell which.
//
// A service on several objects answers for each of them: the outer error says that the service as a
// whole could not be asked or answered, and then there are no results. The error of one object is an
// *Error. All methods may be called concurrently, but where one says otherwise; ctx bounds the wait for that call's answer only.
//
// The services of control blocks, setting groups, substitution and control are reads and writes of attributes under their
// functional constraints, as IEC 61850-8-1 maps them: Operate, for one, is SetDataValues of LD/LN.DO.Oper[CO]. acsi/client
// has them as calls. The *Error of a control service that the IED has refused has a ControlFailure.
//
// IEC 61850-7-2.
type Services interface {
	// Supported lists the services that are served.
	Supported() ServiceSet

	// GetServerDirectory gives the names of the logical devices, sorted by their octets.
	// IEC 61850-7-2, 7.2.2.
	GetServerDirectory(ctx context.Context) ([]string, error)

	// GetLogicalDeviceDirectory gives the names of the logical nodes of ld, sorted by their octets.
	// IEC 61850-7-2, 9.2.1.
	GetLogicalDeviceDirectory(ctx context.Context, ld string) ([]string, error)

	// GetLogicalNodeDirectory gives the names of the data objects of the logical node ln, in the
	// order of the model. IEC 61850-7-2, 10.2.2.
	GetLogicalNodeDirectory(ctx context.Context, ln Ref) ([]string, error)

	// GetAllDataValues gives the value of each data object of the logical node ln under its functional
	// constraint; without one, under each that the data object has. IEC 61850-7-2, 10.2.3.
	GetAllDataValues(ctx context.Context, ln Ref) ([]DataValue, error)

	// GetDataValues gives the value of each ref, in their order. Each has a functional constraint.
	// IEC 61850-7-2, 11.3.2.
	GetDataValues(ctx context.Context, refs []Ref) ([]Result, error)

	// SetDataValues writes each assignment, in their order, and gives nil or the error of each. One that
	// fails does not undo the others. IEC 61850-7-2, 11.3.3.
	SetDataValues(ctx context.Context, assignments []Assignment) ([]error, error)

	// GetDataDirectory gives the names of the parts of a data object or of an attribute, in the order of
	// the model. IEC 61850-7-2, 11.3.4.
	GetDataDirectory(ctx context.Context, ref Ref) ([]string, error)

	// GetDataDefinition gives the type of what ref names: a data object, an attribute or a whole logical
	// node. A functional constraint in ref leaves out what is not under it. The Node is shared: it must not
	// be changed. IEC 61850-7-2, 11.3.5.
	GetDataDefinition(ctx context.Context, ref Ref) (*Node, error)

	// GetDataSets gives the names of the data sets in the logical node ln, sorted by their octets; with the zero Ref,
	// those that belong to this association. IEC 61850-7-2, 10.2.2, GetLogicalNodeDirectory of DATA-SET.
	GetDataSets(ctx context.Context, ln Ref) ([]string, error)

	// GetDataSetDirectory gives what the data set ref holds. IEC 61850-7-2, 13.3.6.
	GetDataSetDirectory(ctx context.Context, ref Ref) (*DataSet, error)

	// GetDataSetValues gives the value of each member, in their order and of one instant. IEC 61850-7-2, 13.3.2.
	GetDataSetValues(ctx context.Context, ref Ref) ([]Result, error)

	// SetDataSetValues writes each member, in their order, and gives nil or the error of each.
	// IEC 61850-7-2, 13.3.3.
	SetDataSetValues(ctx context.Context, ref Ref, values []value.Value) ([]error, error)

	// CreateDataSet makes a data set, for as long as the IED keeps it or, where ref is local, for as long as the
	// association stands. IEC 61850-7-2, 13.3.4.
	CreateDataSet(ctx context.Context, ref Ref, members []Ref) error

	// DeleteDataSet removes a data set that a service has made and no control block uses. IEC 61850-7-2, 13.3.5.
	DeleteDataSet(ctx context.Context, ref Ref) error

	// GetLogs gives the names of the logs in the logical node ln, sorted by their octets.
	// IEC 61850-7-2, 10.2.2, GetLogicalNodeDirectory of LOG.
	GetLogs(ctx context.Context, ln Ref) ([]string, error)

	// QueryLogByTime gives the entries of a log, LD/LN.Name, from one time to another, both included; a zero time leaves
	// that side open. more says that the answer was too long: QueryLogAfter the last entry goes on.
	// IEC 61850-7-2, 17.3.5.2.
	QueryLogByTime(ctx context.Context, log Ref, from, to time.Time) (entries []LogEntry, more bool, err error)

	// QueryLogAfter gives the entries of a log that follow the one that was entered at that time under that id.
	// IEC 61850-7-2, 17.3.5.3.
	QueryLogAfter(ctx context.Context, log Ref, at time.Time, after EntryID) (entries []LogEntry, more bool, err error)

	// GetFiles tells of the files that name stands for: all in a folder, which is "" or ends with /; one file; or those that
	// a pattern with * and ? in its last part fits. They are sorted by their names. IEC 61850-7-2, 7.2.2, GetServerDirectory of FILE, and 23.2.4,
	// GetFileAttributeValues.
	GetFiles(ctx context.Context, name string) ([]File, error)

	// OpenFile begins to read a file at an offset. The reader is used by one goroutine at a time, and must be closed.
	// IEC 61850-7-2, 23.2.1, GetFile.
	OpenFile(ctx context.Context, name string, offset uint32) (io.ReadCloser, File, error)

	// SetFile writes a file, which is there whole or not at all: an error leaves what was there before.
	// IEC 61850-7-2, 23.2.2.
	SetFile(ctx context.Context, name string, content io.Reader) error

	// DeleteFile removes a file. IEC 61850-7-2, 23.2.3.
	DeleteFile(ctx context.Context, name string) error

	// Next waits for what the IED tells this peer unasked, in its order. One goroutine at a time calls it. The error is
	// ctx's, or says that no more will come because the association has ended. What nobody calls for is
	// bounded: see the implementation for what is dropped.
	Next(ctx context.Context) (Notice, error)

	// Close ends what the peer holds by its association: reservations, selections, data sets of the association, files
	// that are open. On the client side of a mapping it ends the association.
	Close(ctx context.Context) error
}

// Sealed gives the services of ctx the time at which the peer says it has made its request, where the carrier can prove
// that the peer said so.
func Sealed(ctx context.Context, at time.Time) context.Context {
	return context.WithValue(ctx, sealedKey{}, at)
}

// SealedAt is the time that Sealed gave to ctx; ok is false where nobody did.
func SealedAt(ctx context.Context) (at time.Time, ok bool) {
	at, ok = ctx.Value(sealedKey{}).(time.Time)
	return at, ok
}

type sealedKey struct{}

// Result is the outcome of reading one object: a value, or the reason why there is none.
type Result struct {
	Value value.Value
	Err   error // an *Error
}

// DataValue is one data object under one functional constraint with its value.
type DataValue struct {
	Ref Ref
	Result
}

// Assignment is a value and where it is to be written. Ref has a functional constraint.
type Assignment struct {
	Ref   Ref
	Value value.Value
}

// ServiceSet is a set of ACSI services.
type ServiceSet uint64

// The services, named as in IEC 61850-7-2.
const (
	GetServerDirectory ServiceSet = 1 << iota
	GetLogicalDeviceDirectory
	GetLogicalNodeDirectory
	GetAllDataValues
	GetDataValues
	SetDataValues
	GetDataDirectory
	GetDataDefinition
	GetDataSets
	GetDataSetDirectory
	GetDataSetValues
	SetDataSetValues
	CreateDataSet
	DeleteDataSet
	GetLogs
	QueryLogByTime
	QueryLogAfter
	GetFiles
	GetFile
	SetFile
	DeleteFile
	Reporting // reports are sent
)

var serviceNames = [...]string{"GetServerDirectory", "GetLogicalDeviceDirectory", "GetLogicalNodeDirectory",
	"GetAllDataValues", "GetDataValues", "SetDataValues", "GetDataDirectory", "GetDataDefinition", "GetDataSets",
	"GetDataSetDirectory", "GetDataSetValues", "SetDataSetValues", "CreateDataSet", "DeleteDataSet", "GetLogs",
	"QueryLogByTime", "QueryLogAfter", "GetFiles", "GetFile", "SetFile", "DeleteFile", "Reporting"}

// Has reports whether s holds all of t.
func (s ServiceSet) Has(t ServiceSet) bool { return s&t == t }

// String lists the services, separated by spaces.
func (s ServiceSet) String() string {
	var names []string
	for i, name := range serviceNames {
		if s&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

// UnimplementedServices answers every service with object-access-unsupported. An implementation that
// serves a part of Services embeds it.
type UnimplementedServices struct{}

var _ Services = UnimplementedServices{}

func unsupported(service ServiceSet) error {
	return Errorf(ObjectAccessUnsupported, "%s is not served", service)
}

// Supported is the empty set.
func (UnimplementedServices) Supported() ServiceSet { return 0 }

// GetServerDirectory is not served.
func (UnimplementedServices) GetServerDirectory(context.Context) ([]string, error) {
	return nil, unsupported(GetServerDirectory)
}

// GetLogicalDeviceDirectory is not served.
func (UnimplementedServices) GetLogicalDeviceDirectory(context.Context, string) ([]string, error) {
	return nil, unsupported(GetLogicalDeviceDirectory)
}

// GetLogicalNodeDirectory is not served.
func (UnimplementedServices) GetLogicalNodeDirectory(context.Context, Ref) ([]string, error) {
	return nil, unsupported(GetLogicalNodeDirectory)
}

// GetAllDataValues is not served.
func (UnimplementedServices) GetAllDataValues(context.Context, Ref) ([]DataValue, error) {
	return nil, unsupported(GetAllDataValues)
}

// GetDataValues is not served.
func (UnimplementedServices) GetDataValues(context.Context, []Ref) ([]Result, error) {
	return nil, unsupported(GetDataValues)
}

// SetDataValues is not served.
func (UnimplementedServices) SetDataValues(context.Context, []Assignment) ([]error, error) {
	return nil, unsupported(SetDataValues)
}

// GetDataDirectory is not served.
func (UnimplementedServices) GetDataDirectory(context.Context, Ref) ([]string, error) {
	return nil, unsupported(GetDataDirectory)
}

// GetDataDefinition is not served.
func (UnimplementedServices) GetDataDefinition(context.Context, Ref) (*Node, error) {
	return nil, unsupported(GetDataDefinition)
}

// GetDataSets is not served.
func (UnimplementedServices) GetDataSets(context.Context, Ref) ([]string, error) {
	return nil, unsupported(GetDataSets)
}

// GetDataSetDirectory is not served.
func (UnimplementedServices) GetDataSetDirectory(context.Context, Ref) (*DataSet, error) {
	return nil, unsupported(GetDataSetDirectory)
}

// GetDataSetValues is not served.
func (UnimplementedServices) GetDataSetValues(context.Context, Ref) ([]Result, error) {
	return nil, unsupported(GetDataSetValues)
}

// SetDataSetValues is not served.
func (UnimplementedServices) SetDataSetValues(context.Context, Ref, []value.Value) ([]error, error) {
	return nil, unsupported(SetDataSetValues)
}

// CreateDataSet is not served.
func (UnimplementedServices) CreateDataSet(context.Context, Ref, []Ref) error {
	return unsupported(CreateDataSet)
}

// DeleteDataSet is not served.
func (UnimplementedServices) DeleteDataSet(context.Context, Ref) error {
	return unsupported(DeleteDataSet)
}

// GetLogs is not served.
func (UnimplementedServices) GetLogs(context.Context, Ref) ([]string, error) {
	return nil, unsupported(GetLogs)
}

// QueryLogByTime is not served.
func (UnimplementedServices) QueryLogByTime(context.Context, Ref, time.Time, time.Time) ([]LogEntry, bool, error) {
	return nil, false, unsupported(QueryLogByTime)
}

// QueryLogAfter is not served.
func (UnimplementedServices) QueryLogAfter(context.Context, Ref, time.Time, EntryID) ([]LogEntry, bool, error) {
	return nil, false, unsupported(QueryLogAfter)
}

// GetFiles is not served.
func (UnimplementedServices) GetFiles(context.Context, string) ([]File, error) {
	return nil, unsupported(GetFiles)
}

// OpenFile is not served.
func (UnimplementedServices) OpenFile(context.Context, string, uint32) (io.ReadCloser, File, error) {
	return nil, File{}, unsupported(GetFile)
}

// SetFile is not served.
func (UnimplementedServices) SetFile(context.Context, string, io.Reader) error {
	return unsupported(SetFile)
}

// DeleteFile is not served.
func (UnimplementedServices) DeleteFile(context.Context, string) error {
	return unsupported(DeleteFile)
}

// Next waits until ctx ends: nothing is told.
func (UnimplementedServices) Next(ctx context.Context) (Notice, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// Close has nothing to end.
func (UnimplementedServices) Close(context.Context) error { return nil }
