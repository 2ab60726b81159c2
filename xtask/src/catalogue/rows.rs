//! The rows: what is given, what KES 8.5.5 does with it, and what Keyhole does.
//!
//! What KES does was read in its source and seen by running it. Where it does something else than its users
//! can want, Keyhole's row says what, and the tests are named after that.

/// One thing that can be observed from outside.
pub struct Row {
    /// Its id; tests that prove it are named after it.
    pub id: &'static str,
    /// What is given.
    pub given: &'static str,
    /// What KES does.
    pub kes: &'static str,
    /// What Keyhole does.
    pub ours: Ours,
}

/// What Keyhole does where KES does what the row says.
pub enum Ours {
    /// The same.
    Same,
    /// Something else, by decision: what and why.
    Differs(&'static str),
    /// It cannot do this yet: what happens instead.
    NotYet(&'static str),
}

/// Letters of the ids with what they are about, in the order of the page.
pub const GROUPS: [(char, &str); 13] = [
    ('C', "The CustomResourceDefinition"),
    ('S', "AWS Secrets Manager"),
    ('P', "AWS Systems Manager Parameter Store"),
    (
        'H',
        "HashiCorp Vault and OpenBao, with the plugin of `plugins/catalog/vault.yaml`",
    ),
    ('F', "Merging"),
    ('V', "Values"),
    ('T', "Templates"),
    ('N', "What a namespace may fetch"),
    ('A', "Enforced annotations"),
    ('W', "Writing the Secret and the status"),
    ('I', "Instances, scope and schedule"),
    ('M', "Metrics"),
    ('L', "Old manifests"),
];

const fn same(id: &'static str, given: &'static str, kes: &'static str) -> Row {
    Row {
        id,
        given,
        kes,
        ours: Ours::Same,
    }
}

const fn differs(id: &'static str, given: &'static str, kes: &'static str, what: &'static str) -> Row {
    Row {
        id,
        given,
        kes,
        ours: Ours::Differs(what),
    }
}

const fn not_yet(id: &'static str, given: &'static str, kes: &'static str, what: &'static str) -> Row {
    Row {
        id,
        given,
        kes,
        ours: Ours::NotYet(what),
    }
}

const TEMPLATES: &str = "templates are not served; the object says so and nothing is written";

/// All rows.
#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    differs("C1", "the CRD, read back", "group, version, names, short name `es`, three columns, status subresource, Helm's annotation",
        "the same, with two more columns in wide output (backend, reason)"),
    same("C2", "a manifest with `secretDescriptor` and no `spec`", "refused by the API server: `spec: Required value`"),
    same("C3", "an entry of `data` with `key`, `name` and `path`", "refused by the API server"),
    differs("C4", "azure without `keyVaultName`; no backend; no `data`, `dataFrom`, `dataFromWithOptions`; a backend that nobody knows", "all refused by the API server",
        "an unknown backend is admitted, since plugins define them, and the object names those that are served; the rest is refused"),

    same("S1", "a JSON secret, two entries with `property`", "each property under its name"),
    same("S2", "then another value is stored", "the Secret follows within the interval"),
    same("S3", "`SecretBinary` without `isBinary`", "the exact bytes"),
    same("S4", "base64 text with `isBinary`, with `property` too", "the decoded bytes"),
    same("S5", "`versionStage`, `versionId`, neither", "the request asks for exactly that, by default for `AWSCURRENT`"),
    same("S6", "`region`", "the request is signed for that region"),
    same("S7", "`roleArn`", "the role is assumed with session name `k8s-external-secrets`, and its key signs the fetch"),
    same("S8", "`property` that the JSON does not have", "`ERROR, Could not find property P in K`; no Secret, or the one that is there unchanged"),
    differs("S9", "`property` of a value that is no JSON", "the key is dropped, status SUCCESS",
        "an error, and the Secret stays as it was: a value that is broken for a moment must not take keys away; `KEYHOLE_DROP_MALFORMED_VALUES` gives the old way back"),
    same("S10", "two entries, one of them not in the store", "no Secret, status ERROR"),

    same("P1", "`key` of a parameter", "its value"),
    same("P2", "`path` with two parameters under it", "a key for each, named by the last part"),
    differs("P3", "`path` without and with `recursive`, nested names, several pages", "direct children or all leaves, all pages; leaves of one name overwrite each other",
        "two leaves of one name are an error that names both; `options.joinPathWith` names keys after the whole path, and `KEYHOLE_LAST_OF_PATH_WINS` gives the old way back"),
    same("P4", "a parameter that is not there", "the status names it: `ParameterNotFound: K could not be found.`"),
    same("P5", "a JSON parameter with `property`", "the property"),

    same("H1", "`secret/data/x` in a key-value engine of version 2, with `property` or whole", "the property, or the whole entry as JSON"),
    same("H2", "`kvVersion: 1` and `secret/x`", "the entry of an engine of version 1"),
    same("H3", "no `property`", "the whole entry as compact JSON"),
    same("H4", "a key with `?version=N`", "that version of the entry"),
    differs("H5", "an entry that is not there, or one of the other version of the engine", "`Status 404`, or a value without its members",
        "an error that names the path, and says `kvVersion` or `data/` where that is what is wrong"),
    differs("H6", "many objects of one role; a token that is revoked", "one login for a role, a look-up of the token before every read, and a new login when that fails",
        "the same without the look-ups: only when a read is refused, the token is looked up, and one new login for each role and namespace serves all objects without an error on any"),
    differs("H7", "`path`", "`_getByPath not implemented`", "the entries below the path, each as JSON"),
    differs("H8", "`vaultRole` and `vaultMountPoint` left out", "`DEFAULT_VAULT_ROLE` and `DEFAULT_VAULT_MOUNT_POINT` of the operator's environment", "`spec.settings` of the BackendPlugin, under the names of the fields"),

    same("F1", "`dataFrom`, `dataFromWithOptions` and `data` give the same key", "`data` wins, then `dataFromWithOptions`, then `dataFrom`; a later entry of a list wins"),
    differs("F2", "`dataFrom` of a value that is no JSON object or array", "contributes nothing, status SUCCESS; an empty Secret when nothing else is there",
        "an error, and the Secret stays as it was; a JSON array is spread by index as there; `KEYHOLE_DROP_MALFORMED_VALUES` gives the old way back"),
    same("F3", "`dataFromWithOptions` with `versionStage` or `versionId`; `isBinary`", "the request asks for that version; `isBinary` has no effect"),

    differs("V1", "values of every kind, plain, by `property`, by `isBinary` and spread", "as JavaScript prints them, lodash finds properties, base64 is read leniently",
        "the same but for three: numbers keep their digits (there `12345678901234567890` loses some and `1.50` becomes `1.5`), a key `__proto__` is a key, and a property reaches only what the value itself contains"),

    same("T1", "`template.type` and `spec.type`", "the template's wins"),
    not_yet("T2", "labels and annotations in the template, another name", "merged; the name is ignored", TEMPLATES),
    not_yet("T3", "a label made from a value", "the rendered text", TEMPLATES),
    not_yet("T4", "`stringData` made from two JSON secrets by a loop and `yaml.dump`", "the rendered text", TEMPLATES),
    not_yet("T5", "a template that reaches for the process", "runs in the operator", TEMPLATES),

    same("N1", "a namespace without annotations", "everything is allowed"),
    same("N2", "annotations of other names", "everything is allowed"),
    same("N3", "an empty naming annotation", "every key is allowed"),
    same("N4", "naming `.*`", "every key is allowed"),
    same("N5", "a `key` that matches", "allowed"),
    same("N6", "a `key` that does not match", "denied: `key name K does not match naming convention R`"),
    same("N7", "an expression that matches in the middle of a key", "allowed: expressions are not anchored"),
    same("N8", "a `path` that matches", "allowed"),
    same("N9", "a `path` that does not match", "denied: `path P does not match naming convention R`"),
    differs("N10", "an empty `path`", "judged like any other, and where it is allowed an error of the AWS client", "always an error: `path is empty`"),
    same("N11", "a good `key` and a bad `path`", "denied, the path is named"),
    same("N12", "a bad `key` and a good `path`", "denied, the key is named"),
    same("N13", "a bad `key` and a bad `path`", "denied, the later entry is named"),
    same("N14", "several bad keys", "denied, the last is named"),
    same("N15", "good entries of `dataFrom`", "allowed"),
    same("N16", "a bad entry of `dataFrom`", "denied"),
    same("N17", "one bad entry of `dataFrom` among good ones", "denied"),
    same("N18", "`roleArn` or `vaultRole` that matches", "allowed"),
    same("N19", "`roleArn` or `vaultRole` that does not match", "denied: `namespace does not allow to assume role X`"),
    same("N20", "an empty role annotation", "every role is allowed"),
    same("N21", "an object without a role", "the role annotation is not looked at"),
    same("N22", "a good role and a bad key", "denied for the key"),
    same("N23", "a good key and a bad role", "denied for the role"),
    same("N24", "a bad key and a bad role", "denied, the role is named"),
    differs("N25", "a key only in `dataFromWithOptions`", "not checked", "checked like any other"),

    same("A1", "enforcement, a namespace without annotations", "denied: `Namespace annotation is required`"),
    same("A2", "enforcement, no naming annotation", "denied: `Missing required annotation A on namespace N`"),
    same("A3", "enforcement, an empty naming annotation", "denied as missing"),
    same("A4", "enforcement, a naming annotation and an object without a role", "judged by the naming annotation alone"),
    same("A5", "enforcement, a role and no role annotation, or an empty one", "denied as missing"),
    same("A6", "enforcement, both annotations there", "judged by them"),
    same("A7", "a denied key or role, seen from outside", "no Secret, and the status holds the phrase"),

    differs("W1", "the Secret is edited or deleted by hand", "repaired at the next poll", "repaired at once"),
    same("W2", "nothing changed", "the Secret is not written"),
    not_yet("W3", "labels or annotations of the template change", "the Secret is updated", TEMPLATES),
    same("W4", "the ExternalSecret is deleted", "the Secret is collected: owner reference with `controller: true`"),
    differs("W5", "a Secret of the same name that somebody else made", "overwritten and adopted", "left as it is, unless it already holds what would be written; the object says `TargetConflict`"),
    same("W6", "a status write meets a newer object (409)", "no crash, and the status comes to say what is so"),
    same("W7", "an error text with line breaks, tabs and runs of spaces", "one clean line"),

    same("I1", "`controllerId` equal, different, absent where the operator has an id", "served, ignored, ignored"),
    same("I2", "`WATCHED_NAMESPACES` as `a, b,`", "only `a` and `b`"),
    same("I3", "`DISABLE_POLLING`", "a new value in the store is not followed, an edit of the spec is"),
    same("I4", "an edit of the spec during a long interval", "fetched at once"),
    same("I5", "a restart with a recent `lastSync`", "the rest of the interval is waited for"),
    same("I6", "`lastSync` in the future", "fetched at once"),

    same("M1", "metrics after a success and a failure", "`kubernetes_external_secrets_sync_calls_count` and `..._last_sync_call_state`, 1 and then -1"),

    differs("L1", "manifests with `secretDescriptor`, `properties`, `secretManager`", "the operator would read them, but its own CRD refuses them",
        "`keyhole convert` turns them into today's form, and that gives the same Secret"),
];
