;; Between the contract of plugins/abi and QuickJS: build.mjs fills in the texts, and merges this with the engine.
;;
;; _initialize starts the engine, loads kvnode.js and the handler as modules, and keeps what kvnode.js hands out: attach,
;; which takes the host's buffer, and judge, which asks the handler about the frame in it. The host keeps the memory as it is
;; then, so that a call costs no more than judge.
;;
;; A JSValue is an i64 whose upper half is its type: 0 is an int32, 3 undefined, 6 "an exception is pending".
(module
  (import "qjs" "memory" (memory 1))
  (import "qjs" "_initialize" (func $libc_init))
  (import "qjs" "qjs_init2" (func $init (param i32) (result i32)))
  (import "qjs" "qjs_get_context_ptr" (func $get_context (result i32)))
  (import "qjs" "qjs_set_module_loader" (func $use_loader (param i32)))
  (import "qjs" "qjs_new_host_function" (func $new_host_function (param i32 i32 i32) (result i32)))
  (import "qjs" "JS_Eval" (func $eval (param i32 i32 i32 i32 i32) (result i64)))
  (import "qjs" "JS_PromiseState" (func $promise_state (param i32 i64) (result i32)))
  (import "qjs" "JS_PromiseResult" (func $promise_result (param i32 i64) (result i64)))
  (import "qjs" "JS_GetException" (func $get_exception (param i32) (result i64)))
  (import "qjs" "JS_GetGlobalObject" (func $get_global (param i32) (result i64)))
  (import "qjs" "JS_GetPropertyStr" (func $get (param i32 i64 i32) (result i64)))
  (import "qjs" "JS_SetPropertyStr" (func $set (param i32 i64 i32 i64) (result i32)))
  (import "qjs" "JS_Call" (func $call (param i32 i64 i64 i32 i32) (result i64)))
  (import "qjs" "JS_FreeValue" (func $free_value (param i32 i64)))
  (import "qjs" "JS_NewUint8Array" (func $new_array (param i32 i32 i32 i32 i32 i32) (result i64)))
  (import "qjs" "JS_NewUint8ArrayCopy" (func $new_array_copy (param i32 i32 i32) (result i64)))
  (import "qjs" "JS_GetUint8Array" (func $get_array (param i32 i32 i64) (result i32)))
  (import "qjs" "JS_NewStringLen" (func $new_string (param i32 i32 i32) (result i64)))
  (import "qjs" "JS_ToCStringLen2" (func $to_utf8 (param i32 i32 i64 i32) (result i32)))
  (import "qjs" "JS_FreeCString" (func $free_utf8 (param i32 i32)))
  (import "qjs" "JS_ThrowRangeError" (func $throw_range_error (param i32 i32 i32) (result i64)))
  (import "qjs" "malloc" (func $malloc (param i32) (result i32)))
  (import "qjs" "free" (func $free (param i32)))
  (import "qjs" "strdup" (func $strdup (param i32) (result i32)))
  (import "qjs" "memcmp" (func $memcmp (param i32 i32 i32) (result i32)))
  (import "qjs" "strcmp" (func $strcmp (param i32 i32) (result i32)))
  (import "kvnode" "log" (func $log (param i32 i32 i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))

  ;; Passive, so that they need no place in the engine's memory.
  (data $names "@NAMES@")
  (data $sdk "@SDK@")
  (data $handler "@HANDLER@")

  (global $context (mut i32) (i32.const 0))
  (global $names (mut i32) (i32.const 0))
  (global $attach (mut i64) (i64.const 0))
  (global $judge (mut i64) (i64.const 0))
  ;; The buffer that judge looks at, and the last large one.
  (global $attached (mut i32) (i32.const 0))
  (global $large (mut i32) (i32.const 0))
  ;; How many calls of JavaScript functions are under way.
  (global $depth (mut i32) (i32.const 0))
  ;; 32 bytes: a length at 0, arguments of calls and the vector of fd_write from 8 on.
  (global $scratch (mut i32) (i32.const 0))
  ;; What the last call answered; the host reads it after the call.
  (global $answer (mut i64) (i64.const 0))
  (global $answer_utf8 (mut i32) (i32.const 0))

  (func (export "kv_abi_version") (result i32) (i32.const 1))

  (func (export "_initialize")
    (call $libc_init)
    ;; All but weak references, the order of whose end nobody knows, and performance.now.
    (if (call $init (i32.const 0x19ff)) (then unreachable))
    (global.set $context (call $get_context))
    (call $use_loader (i32.const 1))
    (global.set $scratch (call $must_alloc (i32.const 32)))
    (global.set $names (call $must_alloc (i32.const @NAMES_BYTES@)))
    (memory.init $names (global.get $names) (i32.const 0) (i32.const @NAMES_BYTES@))
    (call $load))

  ;; Runs the main module, which is the last of the names, and takes what it leaves in globalThis.__kvnode.
  (func $load
    (local $global i64) (local $promise i64) (local $kvnode i64)
    (local.set $global (call $get_global (global.get $context)))
    (call $give (local.get $global) (i32.const @AT_TEXT@) (i32.const 4))
    (call $give (local.get $global) (i32.const @AT_UTF8@) (i32.const 4))
    (call $give (local.get $global) (i32.const @AT_LOG@) (i32.const 3))
    (call $give (local.get $global) (i32.const @AT_NESTING@) (i32.const 7))
    (local.set $promise (call $check (call $eval (global.get $context)
      (call $name (i32.const @AT_MAIN@)) (i32.const @MAIN_BYTES@) (call $name (i32.const @AT_KVNODE@)) (i32.const 1))))
    ;; 0 is pending: the handler awaits at its top level, and nothing will ever come.
    (if (i32.ne (call $promise_state (global.get $context) (local.get $promise)) (i32.const 1))
      (then (call $complain (call $promise_result (global.get $context) (local.get $promise))) (unreachable)))
    (local.set $kvnode (call $check (call $get (global.get $context) (local.get $global) (call $name (i32.const @AT_KVNODE@)))))
    (global.set $attach (call $check (call $get (global.get $context) (local.get $kvnode) (call $name (i32.const @AT_ATTACH@)))))
    (global.set $judge (call $check (call $get (global.get $context) (local.get $kvnode) (call $name (i32.const @AT_JUDGE@))))))

  ;; Makes the host function of a name a property of the object, as __NAME.
  (func $give (param $object i64) (param $at i32) (param $length i32)
    (drop (call $set (global.get $context) (local.get $object) (call $name (local.get $at))
      (call $check (i64.load (call $new_host_function
        (i32.add (call $name (local.get $at)) (i32.const 2)) (local.get $length) (i32.const 1)))))))

  (func $name (param $at i32) (result i32) (i32.add (global.get $names) (local.get $at)))

  (func $must_alloc (param $n i32) (result i32)
    (local $at i32)
    (local.set $at (call $malloc (local.get $n)))
    (if (i32.eqz (local.get $at)) (then unreachable))
    (local.get $at))

  (func $is_exception (param $value i64) (result i32)
    (i64.eq (i64.shr_u (local.get $value) (i64.const 32)) (i64.const 6)))

  ;; A pending exception is out of memory, or happened while the module was loaded: it is said, and the module traps.
  (func $check (param $value i64) (result i64)
    (if (call $is_exception (local.get $value))
      (then (call $complain (call $get_exception (global.get $context))) (unreachable)))
    (local.get $value))

  ;; Writes a value to standard error, from where the host takes the reason of a trap.
  (func $complain (param $value i64)
    (i32.store offset=8 (global.get $scratch)
      (call $to_utf8 (global.get $context) (i32.add (global.get $scratch) (i32.const 12)) (local.get $value) (i32.const 0)))
    (if (i32.load offset=8 (global.get $scratch))
      (then (drop (call $fd_write (i32.const 2) (i32.add (global.get $scratch) (i32.const 8)) (i32.const 1)
        (i32.add (global.get $scratch) (i32.const 16)))))))

  (func (export "kv_alloc") (param $n i32) (result i32)
    (local $at i32)
    (call $free (global.get $large))
    (global.set $large (i32.const 0))
    (local.set $at (call $malloc (local.get $n)))
    (if (i32.eqz (local.get $at)) (then (return (i32.const 0))))
    (if (i32.gt_u (local.get $n) (i32.const 65536)) (then (global.set $large (local.get $at))))
    (call $show (local.get $at) (local.get $n))
    (local.get $at))

  ;; Shows the n bytes of a buffer to judge.
  (func $show (param $at i32) (param $n i32)
    (local $arguments i32)
    (local.set $arguments (i32.add (global.get $scratch) (i32.const 8)))
    (i64.store (local.get $arguments) (call $check
      (call $new_array (global.get $context) (local.get $at) (local.get $n) (i32.const 0) (i32.const 0) (i32.const 0))))
    (i64.store offset=8 (local.get $arguments) (i64.extend_i32_u (local.get $at)))
    (drop (call $check (call $call (global.get $context) (global.get $attach) (i64.const 0x300000000) (i32.const 2) (local.get $arguments))))
    (call $free_value (global.get $context) (i64.load (local.get $arguments)))
    (global.set $attached (local.get $at)))

  (func (export "handle_conflict") (param $frame i32) (result i32)
    (call $forget)
    (if (i32.ne (local.get $frame) (global.get $attached))
      (then (call $show (local.get $frame) (i32.load (local.get $frame)))))
    (global.set $answer (call $check (call $call (global.get $context) (global.get $judge) (i64.const 0x300000000) (i32.const 0) (i32.const 0))))
    ;; An int is the status; other answers are the value or the error text, and judge has put the status into aux.
    (if (i64.eqz (i64.shr_u (global.get $answer) (i64.const 32)))
      (then (return (i32.wrap_i64 (global.get $answer)))))
    (call $put (local.get $frame) (call $bytes_of (global.get $answer)))
    (i32.load offset=56 (local.get $frame)))

  ;; Frees what the call before answered.
  (func $forget
    (if (global.get $answer_utf8) (then (call $free_utf8 (global.get $context) (global.get $answer_utf8))))
    (global.set $answer_utf8 (i32.const 0))
    (call $free_value (global.get $context) (global.get $answer))
    (global.set $answer (i64.const 0)))

  ;; The address of a Uint8Array's bytes or a string's UTF-8, whose length goes to scratch. Objects have the upper half -1.
  (func $bytes_of (param $value i64) (result i32)
    (local $at i32)
    (if (i64.eq (i64.shr_s (local.get $value) (i64.const 32)) (i64.const -1))
      (then (local.set $at (call $get_array (global.get $context) (global.get $scratch) (local.get $value))))
      (else (local.set $at (call $to_utf8 (global.get $context) (global.get $scratch) (local.get $value) (i32.const 0)))
        (global.set $answer_utf8 (local.get $at))))
    (if (i32.eqz (local.get $at))
      (then (call $complain (call $get_exception (global.get $context))) (unreachable)))
    (local.get $at))

  ;; Writes an output as value and as text: the status says which of them counts.
  (func $put (param $frame i32) (param $at i32)
    (i32.store offset=40 (local.get $frame) (local.get $at))
    (i32.store offset=44 (local.get $frame) (i32.load (global.get $scratch)))
    (i32.store offset=48 (local.get $frame) (local.get $at))
    (i32.store offset=52 (local.get $frame) (i32.load (global.get $scratch))))

  ;; Calls JavaScript: build.mjs swaps the bodies of this function and of the engine's largest one, which runs functions and
  ;; has the same type. So every call of the engine comes here, and the call of itself below runs the function. The node
  ;; weighs a frame of that large function with 64 KiB, and has 4 MiB; the engine knows nothing of that, and would trap.
  (func $run (export "run") (param $context i32) (param i64 i64 i64 i32 i32 i32) (result i64)
    (local $result i64)
    (if (i32.ge_u (global.get $depth) (i32.const 48))
      (then (return (call $throw_range_error (local.get $context) (call $name (i32.const @AT_DEEP@)) (i32.const 0)))))
    (global.set $depth (i32.add (global.get $depth) (i32.const 1)))
    (local.set $result (call $run (local.get $context) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5) (local.get 6)))
    (global.set $depth (i32.sub (global.get $depth) (i32.const 1)))
    (local.get $result))

  ;; How deep brackets and braces outside of strings nest in JSON text.
  (func $nesting (param $at i32) (param $n i32) (result i32)
    (local $end i32) (local $byte i32) (local $quoted i32) (local $now i32) (local $most i32)
    (local.set $end (i32.add (local.get $at) (local.get $n)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $byte (i32.load8_u (local.get $at)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (if (i32.eq (local.get $byte) (i32.const 0x22)) ;; "
          (then (local.set $quoted (i32.eqz (local.get $quoted))) (br $next)))
        (if (local.get $quoted)
          (then
            (if (i32.eq (local.get $byte) (i32.const 0x5c)) ;; \, and what it stands before
              (then (local.set $at (i32.add (local.get $at) (i32.const 1)))))
            (br $next)))
        (local.set $byte (i32.and (local.get $byte) (i32.const 0xdf))) ;; { and [, } and ] differ in this bit
        (if (i32.eq (local.get $byte) (i32.const 0x5b))
          (then
            (local.set $now (i32.add (local.get $now) (i32.const 1)))
            (if (i32.gt_s (local.get $now) (local.get $most)) (then (local.set $most (local.get $now))))))
        (if (i32.eq (local.get $byte) (i32.const 0x5d))
          (then (local.set $now (i32.sub (local.get $now) (i32.const 1)))))
        (br $next)))
    (local.get $most))

  ;; The engine's own imports.

  ;; host_call(name, length, this, count, arguments): arguments points to pointers to values; the result is a pointer
  ;; to a value, from malloc, or 0 when an exception is pending.
  (func (export "host_call") (param $name i32) (param i32 i32 i32) (param $arguments i32) (result i32)
    (local $argument i64) (local $result i64) (local $at i32) (local $first i32)
    (local.set $argument (i64.load (i32.load (local.get $arguments))))
    (local.set $result (i64.const 0x300000000))
    (local.set $first (i32.load8_u (local.get $name)))
    (if (i32.eq (local.get $first) (i32.const 0x74)) ;; "text": Uint8Array to string, or undefined
      (then
        (local.set $at (call $get_array (global.get $context) (global.get $scratch) (local.get $argument)))
        (if (i32.eqz (local.get $at)) (then (return (i32.const 0))))
        (local.set $result (call $string_of (local.get $at) (i32.load (global.get $scratch)))))
      (else
        (local.set $at (call $to_utf8 (global.get $context) (global.get $scratch) (local.get $argument) (i32.const 0)))
        (if (i32.eqz (local.get $at)) (then (return (i32.const 0))))
        (if (i32.eq (local.get $first) (i32.const 0x75)) ;; "utf8": string to Uint8Array
          (then (local.set $result (call $new_array_copy (global.get $context) (local.get $at) (i32.load (global.get $scratch)))))
          (else
            (if (i32.eq (local.get $first) (i32.const 0x6e)) ;; "nesting": string to number
              (then (local.set $result (i64.extend_i32_u (call $nesting (local.get $at) (i32.load (global.get $scratch))))))
              (else (call $log (i32.const 1) (local.get $at) (i32.load (global.get $scratch)))))))
        (call $free_utf8 (global.get $context) (local.get $at))))
    (if (call $is_exception (local.get $result)) (then (return (i32.const 0))))
    (local.set $at (call $must_alloc (i32.const 8)))
    (i64.store (local.get $at) (local.get $result))
    (local.get $at))

  ;; The text in n bytes, or undefined when it does not become these bytes again.
  (func $string_of (param $at i32) (param $n i32) (result i64)
    (local $string i64) (local $utf8 i32)
    (local.set $string (call $new_string (global.get $context) (local.get $at) (local.get $n)))
    (if (call $is_exception (local.get $string)) (then (return (local.get $string))))
    (local.set $utf8 (call $to_utf8 (global.get $context) (global.get $scratch) (local.get $string) (i32.const 0)))
    (if (i32.eqz (local.get $utf8)) (then (return (i64.const 0x600000000))))
    (if (i32.ne (local.get $n) (i32.load (global.get $scratch)))
      (then (local.set $n (i32.const -1)))
      (else (if (call $memcmp (local.get $at) (local.get $utf8) (local.get $n)) (then (local.set $n (i32.const -1))))))
    (call $free_utf8 (global.get $context) (local.get $utf8))
    (if (i32.lt_s (local.get $n) (i32.const 0))
      (then
        (call $free_value (global.get $context) (local.get $string))
        (return (i64.const 0x300000000))))
    (local.get $string))

  (func (export "host_module_normalize") (param i32) (param $name i32) (result i32) (call $strdup (local.get $name)))

  ;; The text of a module, from malloc, and its length; 0 for all but the two that there are.
  (func (export "host_module_load") (param $name i32) (param $length i32) (result i32)
    (local $text i32)
    (if (i32.eqz (call $strcmp (local.get $name) (call $name (i32.const @AT_SDK@))))
      (then
        (local.set $text (call $must_alloc (i32.const @SDK_BYTES@)))
        (memory.init $sdk (local.get $text) (i32.const 0) (i32.const @SDK_BYTES@))
        (i32.store (local.get $length) (i32.const @SDK_LENGTH@))
        (return (local.get $text))))
    (if (i32.eqz (call $strcmp (local.get $name) (call $name (i32.const @AT_HANDLER@))))
      (then
        (local.set $text (call $must_alloc (i32.const @HANDLER_BYTES@)))
        (memory.init $handler (local.get $text) (i32.const 0) (i32.const @HANDLER_BYTES@))
        (i32.store (local.get $length) (i32.const @HANDLER_LENGTH@))
        (return (local.get $text))))
    (i32.const 0))

  (func (export "host_interrupt") (result i32) (i32.const 0))
  (func (export "host_promise_rejection") (param i32 i32 i32))
  (func (export "host_get_timezone_offset") (param i32 i32) (result i32) (i32.const 0))
)
