import type { Handler } from 'actix-js';

const home: Handler = () => 'Hello from {{name}}!\n';

export default home;
