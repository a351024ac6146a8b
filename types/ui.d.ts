// What the page's own modules pass to each other.

declare namespace Ui {
  /** What an element can contain. Null, undefined and false are left out, lists are flattened. */
  type Child = Node | string | null | undefined | false | readonly Child[];

  type Listeners = { [Name in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[Name]) => void };

  type Dataset = Record<string, string | number>;

  interface Attributes {
    on?: Listeners;
    data?: Dataset;
    [name: string]: string | number | boolean | null | undefined | Listeners | Dataset;
  }

  /** What a page is given when it opens. `signal` is aborted when the user leaves it. */
  interface PageContext {
    main: HTMLElement;
    id: string;
    query: URLSearchParams;
    signal: AbortSignal;
  }

  /** `change` updates an open page when only the query changes. */
  interface OpenPage {
    change?: (query: URLSearchParams) => void;
  }

  interface Page {
    open: (context: PageContext) => OpenPage | void;
  }

  /** A component that shows the latest state of something. */
  interface View<State> {
    element: HTMLElement;
    show: (state: State) => void;
  }

  /** A cell is a node, a text, or a list of them. Without a title, screen readers get `spoken` as the heading. */
  interface Column<Item> {
    title?: string;
    spoken?: string;
    class?: string;
    cell: (item: Item) => Child;
  }

  type Control = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

  /** A form field. Fields without `setError` cannot be the cause of an error. */
  interface Field<Value> {
    element: HTMLElement;
    control: Control;
    value: () => Value;
    fill: (value: Value) => void;
    setError?: (text: Child) => void;
  }

  /** A form's fields by the names that the API uses. */
  type Fields<Values> = { [Name in keyof Values]: Field<Values[Name]> };

  type Action = () => Promise<unknown> | unknown;
}
